//! Stands for what is being built.
