//! `POST …/events` in several parts: `files` go to their places as they come; the turn begins when all have come, with one
//! event for all of them, and then what `messages` says.

use sederunt_core::agent::Agent;
use sederunt_core::app::NewArtifact;
use sederunt_core::artifact::Artifact;
use sederunt_core::blob::Room;
use sederunt_core::error::{Error, Reason};
use sederunt_core::item::{ItemBody, NewItem};
use sederunt_core::session::Session;
use serde_json::json;

use super::view::message;
use crate::agents::Shape;
use crate::asked::Asked;
use crate::events::{self, Message};
use crate::failure::{Failure, INVALID};
use crate::fields::must_be;
use crate::multipart::{Part, Parts, refused};
use crate::operation::Answer;

/// The most files of one request.
const FILES: usize = 32;

/// The longest name of a file, in bytes.
const NAME: usize = 255;

/// What a file is whose part does not say.
const BYTES: &str = "application/octet-stream";

/// The parts that are no files.
#[derive(Debug, Default)]
struct Texts {
    messages: Option<String>,
    message: Option<String>,
    stream_response: Option<String>,
    since: Option<String>,
    behavior: Option<String>,
}

/// Takes in the parts of a request, and answers its turn.
pub(crate) async fn upload(mut asked: Asked, agent: Agent, session: Session) -> Answer {
    if !session.enabled {
        return Err(Failure::new(400, "session_disabled", "The session is disabled."));
    }
    let mut files = Vec::new();
    let answer = match read(&mut asked, &session, &mut files).await {
        Ok(texts) => answer(&mut asked, agent, session.clone(), &files, texts).await,
        Err(failure) => Err(failure),
    };
    if answer.is_err() {
        asked.app().artifacts().forget(&session, &files).await;
    }
    answer
}

async fn read(asked: &mut Asked, session: &Session, files: &mut Vec<Artifact>) -> Result<Texts, Failure> {
    let most = asked.settings().file_size.saturating_mul(FILES as u64);
    let mut parts = Parts::of(asked, most)?;
    let read = read_parts(asked, session, &mut parts, files).await;
    if read.is_err() {
        parts.skim().await;
    }
    read
}

async fn read_parts(
    asked: &Asked,
    session: &Session,
    parts: &mut Parts,
    files: &mut Vec<Artifact>,
) -> Result<Texts, Failure> {
    let mut texts = Texts::default();
    while let Some(part) = parts.next().await? {
        let to = match part.name() {
            "files" | "file" if files.len() == FILES => {
                return Err(Failure::invalid("files", format!("A request has at most {FILES} files")));
            }
            "files" | "file" => {
                files.push(keep(asked, session, part).await?);
                continue;
            }
            "messages" => &mut texts.messages,
            "message" => &mut texts.message,
            "stream_response" => &mut texts.stream_response,
            "since" => &mut texts.since,
            "behavior" => &mut texts.behavior,
            _ => continue,
        };
        *to = Some(parts.text(part).await?).filter(|text| !text.trim().is_empty());
    }
    Ok(texts)
}

async fn keep(asked: &Asked, session: &Session, part: Part) -> Result<Artifact, Failure> {
    let settings = asked.settings();
    let new = NewArtifact {
        name: name(part.file_name()),
        media_type: part.media_type().unwrap_or_else(|| BYTES.to_owned()),
        ttl: Some(settings.artifact_ttl),
    };
    let kept = asked.app().artifacts().put(&asked.caller, session, new, part.content(), settings.file_size).await;
    kept.map_err(|error| match &error {
        Error::Invalid { param, reason: Reason::TooLarge(most) } if param == Room::FILE => {
            Failure::new(413, INVALID, format!("A file has at most {most} bytes."))
        }
        Error::Invalid { param, reason: Reason::TooLarge(most) } if param == Room::HOME => {
            Failure::invalid("files", format!("The files of a session have at most {most} bytes together"))
        }
        Error::Invalid { param, reason: Reason::TooLarge(most) } if param == Room::ENTRIES => {
            Failure::invalid("files", format!("A session has at most {most} files"))
        }
        _ => refused(error),
    })
}

/// What a file is called: the last of the names in a path, as some clients send.
fn name(given: Option<&str>) -> String {
    let last = given.and_then(|given| given.rsplit(['/', '\\']).next()).unwrap_or_default();
    let mut name = String::new();
    for character in last.trim().chars().filter(|character| !character.is_control()) {
        if name.len() + character.len_utf8() > NAME {
            break;
        }
        name.push(character);
    }
    if name.is_empty() { "file".to_owned() } else { name }
}

async fn answer(asked: &mut Asked, agent: Agent, session: Session, files: &[Artifact], texts: Texts) -> Answer {
    let version = asked.app().agents().current(&agent).await?;
    let shape = Shape::of(agent.key.as_str(), &version.definition);
    let stream = match texts.stream_response.as_deref().map(str::trim) {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(must_be("stream_response", "true or false")),
    };
    let message = Message {
        items: items(files, &texts, &shape)?,
        since: texts.since.as_deref().map(|text| events::since(text.trim())).transpose()?,
        behavior: texts.behavior.as_deref().map(|text| events::behavior(text.trim())).transpose()?.unwrap_or_default(),
    };
    events::answer(asked, agent, session, message, stream).await
}

/// What the turn is given: the files, then what is said. Files need no message.
fn items(files: &[Artifact], texts: &Texts, shape: &Shape) -> Result<Vec<NewItem>, Failure> {
    let mut items = Vec::new();
    if !files.is_empty() {
        items.push(ItemBody::Artifacts { files: files.to_vec(), message: message(files) }.into());
    }
    let said = match (&texts.messages, &texts.message) {
        (Some(messages), _) => Some(
            serde_json::from_str(messages)
                .map_err(|error| Failure::invalid("messages", format!("messages is not JSON: {error}")))?,
        ),
        (None, Some(message)) => Some(json!([{"type": "text", "content": message}])),
        (None, None) => None,
    };
    let silent = said.as_ref().is_none_or(|said| said.as_array().is_some_and(Vec::is_empty));
    if !silent || files.is_empty() {
        items.extend(events::messages(said.as_ref(), shape)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_the_last_of_its_names() {
        for (given, called) in [
            (Some("plan.txt"), "plan.txt"),
            (Some("C:\\plans\\plan.txt"), "plan.txt"),
            (Some("../../etc/passwd"), "passwd"),
            (Some("a\r\nb 🙂"), "ab 🙂"),
            (Some("plans/"), "file"),
            (None, "file"),
        ] {
            assert_eq!(name(given), called, "{given:?}");
        }
        assert_eq!(name(Some(&"é".repeat(200))).len(), 254);
    }
}
