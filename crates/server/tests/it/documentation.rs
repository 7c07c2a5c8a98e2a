//! The page on configuration and the defaults name the same settings.

use std::collections::BTreeSet;
use std::path::Path;

use sederunt_server::config::Layers;
use serde_json::json;

use crate::harness::House;

#[test]
fn every_setting_is_explained_and_every_explained_setting_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    // A setting is explained in the table row that begins with its key.
    let explained: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(key, _)| key).collect();
    let layers = Layers::defaults().unwrap();
    let known: BTreeSet<_> =
        layers.settings().keys().map(|key| key.replace("models.default.", "models.<name>.")).collect();
    let known: BTreeSet<_> = known.iter().map(String::as_str).collect();
    assert_eq!(known.difference(&explained).collect::<Vec<_>>(), Vec::<&&str>::new(), "not explained");
    assert_eq!(explained.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "not a setting");
}

#[test]
fn every_default_is_told_as_it_is() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (key, setting) in Layers::defaults().unwrap().settings() {
        let row = format!("| `{}` | `{}` |", key.replace("models.default.", "models.<name>."), setting.value);
        assert!(page.contains(&row), "{row}");
    }
}

#[tokio::test]
async fn every_metric_is_explained_and_every_explained_metric_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let explained: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    let house = House::start().await;
    // What has labels is told once there is something to tell.
    let sessions = format!("/api/v2/aipAgents/agents/{}/sessions", house.agent("echo").rid);
    let session = house.alice().post(&format!("{sessions}?preview=true"), json!({})).await.json(200);
    let exchange = format!("{sessions}/{}/blockingContinue?preview=true", session["rid"].as_str().unwrap());
    house.alice().post(&exchange, json!({"userInput": {"text": "hi"}})).await.expect(200);
    let told = house.stranger().get("/metrics").await;
    let known: BTreeSet<_> =
        told.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(known, explained);
}
