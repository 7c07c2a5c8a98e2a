//! Opening and closing a data directory.
