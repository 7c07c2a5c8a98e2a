//! The models that the configuration names. Keys come from the environment or from files, never from the configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sederunt_core::id::Chance;
use sederunt_core::model::Model;
use sederunt_models::openai::{self, OpenAi};
use sederunt_models::responses::{self, Responses};
use sederunt_models::{Registry, Rule, Script, Secret, Windowed};

use crate::config::{self, ModelRule, Provider};
use crate::fault::Fault;

/// The dialect whose requests the agent containers understand as they come.
const CONTAINER_WIRE: &str = "azure";

/// The models by name. Nothing is asked of any server yet.
pub fn registry(
    models: &BTreeMap<String, config::Model>,
    rules: &[ModelRule],
    chance: &Arc<dyn Chance>,
) -> Result<Arc<Registry>, Fault> {
    let mut registry = Registry::new(Arc::new(Script::builtin()));
    for (name, config) in models {
        let model: Arc<dyn Model> = match config.provider {
            Provider::Script => script(config.file.as_deref())?,
            Provider::Openai => openai(name, config, chance)?,
            Provider::Responses => responses(name, config, chance)?,
        };
        let model = match config.context_window {
            0 => model,
            window => Arc::new(Windowed::new(model, window)),
        };
        registry = registry.with(name, model);
    }
    for (number, rule) in (1..).zip(rules) {
        let ModelRule { agent, image, model, r#use: name } = rule.clone();
        registry = registry.with_rule(&Rule { agent, image, model, name }).map_err(|e| {
            Fault::config(
                format!("rule {number} of model_rules cannot be used"),
                e,
                "see model_rules in docs/configuration.md",
            )
        })?;
    }
    Ok(Arc::new(registry))
}

/// The name that a setting gives of a model, if any; a fault if no model has it.
pub fn named(
    models: &BTreeMap<String, config::Model>,
    setting: &str,
    name: Option<String>,
) -> Result<Option<String>, Fault> {
    match name {
        Some(name) if !models.contains_key(&name) => Err(Fault::config(
            format!("{setting} cannot be used"),
            format!("there is no model \"{name}\""),
            format!("add [models.{name}], or name one that is there"),
        )),
        name => Ok(name),
    }
}

fn script(file: Option<&Path>) -> Result<Arc<Script>, Fault> {
    let Some(file) = file else { return Ok(Arc::new(Script::builtin())) };
    let script = Script::load(file).map_err(|e| {
        Fault::config(format!("the script {} cannot be used", file.display()), e, "see docs/scripts.md")
    })?;
    Ok(Arc::new(script))
}

fn openai(name: &str, config: &config::Model, chance: &Arc<dyn Chance>) -> Result<Arc<OpenAi>, Fault> {
    let (Some(base_url), Some(model)) = (&config.base_url, &config.model) else {
        return Err(Fault::config(
            format!("models.{name} cannot be used"),
            "provider \"openai\" needs to know where to ask, and for which model",
            format!("set models.{name}.base_url and models.{name}.model"),
        ));
    };
    let settings = openai::Settings {
        api_key: api_key(name, config)?,
        headers: headers(name, config)?,
        body: config.body.clone(),
        include_usage: config.include_usage,
        first_byte_timeout: config.first_byte_time,
        idle_timeout: config.idle_time,
        max_retries: config.retries,
        retry_budget: config.retry_time,
        ..openai::Settings::new(base_url, model)
    };
    OpenAi::new(settings, client(name, config)?, chance.clone()).map(Arc::new).map_err(|e| unusable(name, &e))
}

fn responses(name: &str, config: &config::Model, chance: &Arc<dyn Chance>) -> Result<Arc<Responses>, Fault> {
    let (Some(base_urls), true) = (&config.base_url, config.model.is_some() || config.container) else {
        return Err(Fault::config(
            format!("models.{name} cannot be used"),
            "provider \"responses\" needs to know where to ask, and for which model, unless it is a container",
            format!("set models.{name}.base_url and models.{name}.model, or models.{name}.container = true"),
        ));
    };
    let settings = responses::Settings {
        model: config.model.clone(),
        api_key: api_key(name, config)?,
        headers: headers(name, config)?,
        body: config.body.clone(),
        container: config.container,
        wire: Some(CONTAINER_WIRE.into()),
        first_byte_timeout: config.first_byte_time,
        idle_timeout: config.idle_time,
        max_retries: config.retries,
        retry_budget: config.retry_time,
        ..responses::Settings::new(base_urls.split(',').map(str::trim))
    };
    let model = Responses::new(settings, client(name, config)?, chance.clone());
    model.map(Arc::new).map_err(|e| unusable(name, &e))
}

fn client(name: &str, config: &config::Model) -> Result<reqwest::Client, Fault> {
    let ca = config.ca_file.as_deref().map(fs::read).transpose();
    let ca = ca.map_err(|e| unusable(name, &format!("the file named by ca_file cannot be read: {e}")))?;
    openai::client(ca.as_deref()).map_err(|e| unusable(name, &e))
}

fn headers(name: &str, config: &config::Model) -> Result<Vec<(String, Secret)>, Fault> {
    config.headers.iter().map(|line| header(line)).collect::<Result<_, _>>().map_err(|why| unusable(name, &why))
}

fn unusable(name: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::config(format!("models.{name} cannot be used"), why, format!("correct [models.{name}]"))
}

fn api_key(name: &str, config: &config::Model) -> Result<Option<Secret>, Fault> {
    match (&config.api_key_env, &config.api_key_file) {
        (None, None) => Ok(None),
        (Some(variable), None) => from_environment(variable)
            .map(Some)
            .map_err(|why| Fault::config(format!("models.{name} has no key"), why, format!("set {variable}"))),
        (None, Some(file)) => fs::read_to_string(file).map(|text| Some(Secret::new(text))).map_err(|e| {
            Fault::config(format!("models.{name} has no key"), e, format!("put the key into {}", file.display()))
        }),
        (Some(_), Some(_)) => Err(Fault::config(
            format!("models.{name} has two keys"),
            "api_key_env and api_key_file are both set",
            "set one of them",
        )),
    }
}

/// `name: value`, or `name: $VARIABLE`.
fn header(line: &str) -> Result<(String, Secret), String> {
    // What stands after the colon may be a secret: it is not shown.
    let (name, value) = line.split_once(':').ok_or("a header is written \"name: value\"")?;
    let value = value.trim();
    let value = match value.strip_prefix('$') {
        Some(variable) => from_environment(variable)?,
        None => Secret::new(value),
    };
    Ok((name.trim().to_owned(), value))
}

fn from_environment(variable: &str) -> Result<Secret, String> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
        _ => Err(format!("the environment variable {variable} is not set")),
    }
}
