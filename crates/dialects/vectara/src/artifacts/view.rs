//! An artifact as JSON, its id, and what the model is told of it.

use std::fmt::Write as _;
use std::time::Duration;

use sederunt_core::artifact::Artifact;
use sederunt_core::id::ArtifactId;
use serde_json::{Map, Value, json};

use crate::timestamp::timestamp;

const DAY: u64 = 24 * 3_600;

/// `art_` and the artifact's UUID.
pub(super) fn artifact_id(id: ArtifactId) -> String {
    format!("art_{}", id.0.as_hyphenated())
}

/// What an id names; `None` if it is none that we make.
pub(super) fn parse(text: &str) -> Option<ArtifactId> {
    let id = text.strip_prefix("art_")?.parse().ok()?;
    // One artifact, one name.
    (artifact_id(id) == text).then_some(id)
}

/// An artifact, without its bytes.
pub(super) fn view(artifact: &Artifact) -> Map<String, Value> {
    let mut view = Map::new();
    view.insert("artifact_id".into(), artifact_id(artifact.id).into());
    view.insert("filename".into(), artifact.name.as_str().into());
    view.insert("mime_type".into(), artifact.media_type.as_str().into());
    view.insert("size_bytes".into(), artifact.size.into());
    view.insert("checksum_sha256".into(), artifact.sha256.as_str().into());
    view.insert("metadata".into(), json!({"original_filename": artifact.name}));
    if let Some(expires) = artifact.expires {
        view.insert("ttl_days".into(), days(expires.since(artifact.created)).into());
    }
    view.insert("created_at".into(), timestamp(artifact.created).into());
    // Nothing changes them.
    view.insert("updated_at".into(), timestamp(artifact.created).into());
    view
}

/// Whole days, the last one also if it is not full.
fn days(time: Duration) -> u64 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    seconds.div_ceil(DAY)
}

/// What an event says of an upload.
pub(crate) fn uploaded(files: &[Artifact], message: &str) -> Value {
    let file = |file: &Artifact| {
        json!({
            "artifact_id": artifact_id(file.id),
            "filename": file.name,
            "mime_type": file.media_type,
            "size_bytes": file.size,
        })
    };
    json!({"artifacts": files.iter().map(file).collect::<Vec<_>>(), "agent_upload_message": message})
}

/// What the model is told of an upload.
pub(super) fn message(files: &[Artifact]) -> String {
    let told = |file: &Artifact| {
        format!("'{}' ({}, {} bytes), artifact {}", file.name, file.media_type, file.size, artifact_id(file.id))
    };
    if let [file] = files {
        return format!("The user uploaded the file {}.", told(file));
    }
    let mut message = format!("The user uploaded {} files:", files.len());
    for file in files {
        // Writing to a text cannot fail.
        let _ = write!(message, "\n- {}", told(file));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use sederunt_core::clock::Time;

    fn artifact(n: u128, ttl: Option<Duration>) -> Artifact {
        let created = Time::parse("2026-05-28T22:17:09.627Z").unwrap();
        Artifact {
            id: ArtifactId(uuid::Uuid::from_u128(n)),
            name: "plan ü.txt".into(),
            media_type: "text/plain".into(),
            size: 4,
            sha256: "ab".into(),
            created,
            expires: ttl.map(|ttl| created.plus(ttl)),
        }
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = ArtifactId(uuid::Uuid::from_u128(0xb4b0_9e35_9165_4155_9433_f1b5_384e_7fcf));
        assert_eq!(artifact_id(id), "art_b4b09e35-9165-4155-9433-f1b5384e7fcf");
        assert_eq!(parse(&artifact_id(id)), Some(id));
        for other in ["art_", "art_ring_agate_bearskin", "art_b4b09e35916541559433f1b5384e7fcf"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_artifact_says_for_how_many_days_it_is_kept() {
        let ttl_days = |ttl| view(&artifact(1, ttl)).get("ttl_days").cloned();
        assert_eq!(ttl_days(Some(Duration::from_secs(30 * DAY))), Some(30.into()));
        assert_eq!(ttl_days(Some(Duration::from_secs(60))), Some(1.into()));
        assert_eq!(ttl_days(None), None);
    }

    #[test]
    fn the_model_is_told_name_type_size_and_id() {
        let [one, two] = [1, 2].map(|n| artifact(n, None));
        assert_eq!(
            message(std::slice::from_ref(&one)),
            "The user uploaded the file 'plan ü.txt' (text/plain, 4 bytes), artifact art_00000000-0000-0000-0000-000000000001."
        );
        assert_eq!(message(&[one, two]).lines().count(), 3);
    }
}
