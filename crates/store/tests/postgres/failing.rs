//! Connections, servers and networks that fail.
