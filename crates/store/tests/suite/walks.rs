//! The walk's guarantee.
