//! The requests of the load and of the count, as bytes.

use bytes::Bytes;
use sederunt_rig::http::request;
use serde_json::{Value, json};

use super::record::Asked;

/// The agent that answers. It is this load's own: the lists of the other load are not disturbed.
const AGENT: &str = "clerk";

/// Makes requests for one user.
#[derive(Clone, Debug)]
pub struct Api {
    /// The user's token.
    pub token: String,
}

impl Api {
    fn path(below: &str) -> String {
        let and = if below.contains('?') { '&' } else { '?' };
        format!("/api/projects/_project/agents/{AGENT}{below}{and}api-version=v1")
    }

    fn ask(&self, method: &str, below: &str, body: Option<&Value>) -> Bytes {
        let path = Self::path(&format!("/endpoint/protocols/openai{below}"));
        request(method, &path, &self.token, None, body)
    }

    /// Makes the agent; the same again makes nothing.
    pub fn agent(&self) -> Bytes {
        let image = json!({"image": "example/clerk:1"});
        let definition = json!({"kind": "hosted", "cpu": "1", "memory": "1Gi", "container_configuration": image});
        request("POST", &Self::path("/versions"), &self.token, None, Some(&json!({"definition": definition})))
    }

    pub fn converse(&self) -> Bytes {
        self.ask("POST", "/conversations", Some(&json!({})))
    }

    pub fn items(&self, conversation: &str) -> Bytes {
        self.ask("GET", &format!("/conversations/{conversation}/items?limit=100&order=asc"), None)
    }

    /// The same request is the same bytes; `again` says that it is one.
    pub fn respond(&self, asked: &Asked, again: bool) -> Bytes {
        let mut body = json!({"input": asked.text, "stream": asked.stream, "background": asked.background});
        if let Some(conversation) = &asked.conversation {
            body["conversation"] = conversation.as_str().into();
        }
        let first = self.ask("POST", "/responses", Some(&body));
        if !again {
            return first;
        }
        let text = String::from_utf8_lossy(&first);
        Bytes::from(text.replacen("\r\nhost:", "\r\nx-stainless-retry-count: 1\r\nhost:", 1))
    }

    pub fn response(&self, id: &str) -> Bytes {
        self.ask("GET", &format!("/responses/{id}"), None)
    }

    /// The events of a response after this one, or all of them.
    pub fn replay(&self, id: &str, after: Option<u64>) -> Bytes {
        let after = after.map(|after| format!("&starting_after={after}")).unwrap_or_default();
        self.ask("GET", &format!("/responses/{id}?stream=true{after}"), None)
    }

    pub fn responses(&self, conversation: &str) -> Bytes {
        self.ask("GET", &format!("/responses?limit=100&conversation_id={conversation}"), None)
    }

    pub fn cancel(&self, id: &str) -> Bytes {
        self.ask("POST", &format!("/responses/{id}/cancel"), None)
    }

    pub fn delete(&self, id: &str) -> Bytes {
        self.ask("DELETE", &format!("/responses/{id}"), None)
    }
}
