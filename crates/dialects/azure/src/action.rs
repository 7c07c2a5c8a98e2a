//! Actions: the service glues a verb to a path's last segment (`{session_id}:stop`, `versions:import`). Routes match the
//! plain segment, whose percent-encoding is undone by then (`%3Astop`), and this is where it is taken apart.

/// A path's last segment: what it names, and the verb glued to it, if there is one. Names hold no colon.
pub(crate) fn split(segment: &str) -> (&str, Option<&str>) {
    match segment.rsplit_once(':') {
        Some((name, action)) => (name, Some(action)),
        None => (segment, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_verb_is_what_follows_the_last_colon() {
        assert_eq!(split("sess-1:stop"), ("sess-1", Some("stop")));
        assert_eq!(split("a:b:stop"), ("a:b", Some("stop")));
        assert_eq!(split("sess-1"), ("sess-1", None));
        assert_eq!(split("sess-1:"), ("sess-1", Some("")));
    }
}
