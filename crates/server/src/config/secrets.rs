//! Secrets that settings may hold, kept out of what people are shown.

use toml::Value;

/// What is shown in a secret's place.
const HIDDEN: &str = "***";

/// A URL without the password that it may hold, before its hosts or among its parameters.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (main, query) = rest.split_once('?').map_or((rest, None), |(main, query)| (main, Some(query)));
    if !main.contains('@') && query.is_some_and(|query| query.contains('@')) {
        // A password may have been meant with an unescaped question mark in it.
        return format!("{scheme}://{HIDDEN}");
    }
    let (who, place) = main.rsplit_once('@').map_or((None, main), |(who, place)| (Some(who), place));
    let who = match who.map(|who| who.split_once(':').map_or((who, false), |(user, _)| (user, true))) {
        None => String::new(),
        Some((user, false)) => format!("{user}@"),
        Some((user, true)) => format!("{user}:{HIDDEN}@"),
    };
    let parameter = |text: &str| match text.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}={HIDDEN}"),
        _ => text.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{who}{place}{}", query.unwrap_or_default())
}

/// A setting's value as it may be shown.
pub fn shown(key: &str, value: &Value) -> Value {
    match value {
        Value::String(url) if key == "store.url" => Value::String(masked(url)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown_and_all_else_is() {
        for (url, told) in [
            ("postgres://ann:s3:c@ret@a,b:5433/db?sslmode=require", "postgres://ann:***@a,b:5433/db?sslmode=require"),
            ("postgresql://ann@a/db", "postgresql://ann@a/db"),
            ("postgres://a/db?user=ann&password=s3cret&x=1", "postgres://a/db?user=ann&password=***&x=1"),
            ("postgres://ann:s/cret@a/db", "postgres://ann:***@a/db"),
            ("postgres:///db?host=/run/postgresql", "postgres:///db?host=/run/postgresql"),
            ("postgres://ann:s3?cret@a/db?x=1", "postgres://***"),
            ("sqlite:./data", "sqlite:./data"),
        ] {
            assert_eq!(masked(url), told);
        }
    }
}
