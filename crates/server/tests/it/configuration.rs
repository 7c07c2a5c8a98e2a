//! Settings come in layers, each value remembers its origin, and what cannot be read says what to do.

use sederunt_server::config::{Config, DEFAULTS, Layers, Origin};
use sederunt_server::fault::{Exit, Fault};
use sederunt_server::models;

fn from_file(text: &str) -> Result<Layers, Fault> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut layers = Layers::defaults()?;
    layers.file(file.path()).map(|()| layers)
}

fn environment(layers: &mut Layers, name: &str, value: &str) -> Result<(), Fault> {
    layers.environment([(name.to_owned(), value.to_owned())])
}

#[test]
fn the_defaults_can_be_read_as_they_stand() {
    let config = Config::read(&Layers::defaults().unwrap()).unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:7080");
    assert_eq!(config.http.body_size, 10 << 20);
    assert!(config.http.tls.cert.is_none());
    assert!(config.models.contains_key("default"));
}

#[test]
fn later_layers_win_and_each_value_knows_its_origin() {
    let mut layers = from_file("[http]\nbody_size = \"1MiB\"\ndrain = \"1s\"\nconnections = 7").unwrap();
    environment(&mut layers, "SEDERUNT_HTTP_DRAIN", "2s").unwrap();
    environment(&mut layers, "SEDERUNT_HTTP_CONNECTIONS", "8").unwrap();
    layers.flag("http.connections", "9", "--set").unwrap();
    let config = Config::read(&layers).unwrap();
    assert_eq!((config.http.body_size, config.http.drain.as_secs(), config.http.connections.get()), (1 << 20, 2, 9));
    let origin = |key: &str| layers.settings()[key].origin.clone();
    assert!(matches!(origin("http.body_size"), Origin::File(_)));
    assert_eq!(origin("http.drain"), Origin::Environment("SEDERUNT_HTTP_DRAIN".into()));
    assert_eq!(origin("http.connections"), Origin::Flag("--set".into()));
    assert_eq!(origin("http.head_time"), Origin::Default);
}

#[test]
fn the_environment_can_set_every_kind_of_value() {
    let mut layers = Layers::defaults().unwrap();
    for (name, value) in [
        ("SEDERUNT_HTTP_BEHIND_PROXY", "true"),
        ("SEDERUNT_HTTP_TLS_CERT", "cert.pem"),
        ("SEDERUNT_HTTP_CORS_ORIGINS", "http://a.test, http://b.test"),
        ("SEDERUNT_MODELS_DEFAULT_BODY", "{ temperature = 0.5 }"),
        ("SEDERUNT_MODELS_LARGE_API_KEY_FILE", "/key"),
        ("HOME", "/root"),
        ("SEDERUNT_CONFIG", "elsewhere.toml"),
    ] {
        environment(&mut layers, name, value).unwrap();
    }
    let config = Config::read(&layers).unwrap();
    assert!(config.http.behind_proxy);
    assert_eq!(config.http.tls.cert.unwrap().to_str(), Some("cert.pem"));
    assert_eq!(config.http.cors_origins, ["http://a.test", "http://b.test"]);
    assert_eq!(config.models["default"].body["temperature"], 0.5);
    assert_eq!(config.models["large"].api_key_file.as_deref().unwrap().to_str(), Some("/key"));
}

#[test]
fn a_models_section_needs_to_say_only_what_differs() {
    let layers =
        from_file("[models.local]\nprovider = \"openai\"\nmodel = \"m\"\nbody = { top_p = 1, stop = [\"x\"] }");
    let config = Config::read(&layers.unwrap()).unwrap();
    assert_eq!(config.models["local"].retries, 2);
    assert_eq!(config.models["local"].body.len(), 2);
    assert_eq!(config.models["local"].model.as_deref(), Some("m"));
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_one() {
    let refused = |text: &str| from_file(text).unwrap_err();
    let fault = refused("[http]\nbody_sise = \"1MiB\"");
    assert_eq!((fault.exit, fault.fix.as_str()), (Exit::Config, "did you mean http.body_size?"));
    assert!(fault.what.contains("http.body_sise"), "{fault}");
    assert_eq!(refused("[models.x]\nbase_urls = \"\"").exit, Exit::Config);
    assert_eq!(refused("[palantir.deeper]\nx = 1").exit, Exit::Config);

    let mut layers = Layers::defaults().unwrap();
    let fault = environment(&mut layers, "SEDERUNT_HTTP_LISTN", "x").unwrap_err();
    assert_eq!(fault.fix, "did you mean SEDERUNT_HTTP_LISTEN?");
    assert_eq!(layers.flag("zzz", "1", "--set").unwrap_err().fix, "`sederunt config show` lists every setting");
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_its_origin() {
    let refused = |text: &str| Config::read(&from_file(text).unwrap()).unwrap_err();
    for (text, key, why) in [
        ("[http]\ndrain = \"soon\"", "http.drain", "\"soon\" is not a time"),
        ("[http]\nbody_size = \"10MB\"", "http.body_size", "\"10MB\" is not a size"),
        ("[http]\nlisten = \"here\"", "http.listen", "invalid socket address"),
        ("[http]\nconnections = \"many\"", "http.connections", "invalid type"),
        ("[http]\nconnections = 0", "http.connections", "nonzero"),
        ("[palantir]\nwhen_busy = \"panic\"", "palantir.when_busy", "unknown variant"),
        ("[models.x]\nprovider = \"magic\"", "models.x.provider", "unknown variant"),
    ] {
        let fault = refused(text);
        assert!(fault.what.contains(key) && fault.why.contains(why), "{fault}");
        assert!(fault.why.starts_with("from "), "{fault}");
        assert!(fault.fix.contains(key), "{fault}");
    }
    let mut layers = Layers::defaults().unwrap();
    let fault = environment(&mut layers, "SEDERUNT_HTTP_BEHIND_PROXY", "perhaps").unwrap_err();
    assert!(fault.why.contains("SEDERUNT_HTTP_BEHIND_PROXY"), "{fault}");
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    let fault = from_file("[http\nlisten = 1").unwrap_err();
    assert!(fault.why.contains("line 1"), "{fault}");
}

#[test]
fn every_default_is_explained_where_it_stands() {
    let settings = DEFAULTS.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
    let bare: Vec<_> = settings.filter(|line| !line.contains(" # ")).collect();
    assert!(bare.is_empty(), "{bare:?}");
}

#[test]
fn a_setting_that_names_a_model_names_one_that_is_there() {
    let config = Config::read(&from_file("[models.small]\nprovider = \"script\"").unwrap()).unwrap();
    let named = |name: &str| models::named(&config.models, "vectara.description_model", Some(name.into()));
    assert_eq!(named("small").unwrap().as_deref(), Some("small"));
    let fault = named("large").unwrap_err();
    assert!(fault.exit == Exit::Config && fault.to_string().contains("large"), "{fault}");
    assert_eq!(models::named(&config.models, "x", None).unwrap(), None);
}
