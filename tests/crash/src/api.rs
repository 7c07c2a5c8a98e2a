//! The requests of the load and of the count, as bytes.

use bytes::Bytes;
use sederunt_rig::http::request;
use serde_json::json;

use crate::record::Exchange;

/// Makes requests for one user and one agent.
#[derive(Clone, Debug)]
pub struct Api {
    /// The user's token.
    pub token: String,
    /// The agent's RID.
    pub agent: String,
}

impl Api {
    fn path(&self, below: &str) -> String {
        format!("/api/v2/aipAgents/agents/{}/sessions{below}", self.agent)
    }

    fn get(&self, path: &str) -> Bytes {
        request("GET", path, &self.token, None, None)
    }

    pub fn create(&self, key: Option<&str>) -> Bytes {
        request("POST", &self.path("?preview=true"), &self.token, key, Some(&json!({})))
    }

    pub fn list(&self, token: Option<&str>) -> Bytes {
        let page = token.map(|token| format!("&pageToken={token}")).unwrap_or_default();
        self.get(&self.path(&format!("?preview=true{page}")))
    }

    pub fn session(&self, rid: &str) -> Bytes {
        self.get(&self.path(&format!("/{rid}?preview=true")))
    }

    pub fn content(&self, rid: &str) -> Bytes {
        self.get(&self.path(&format!("/{rid}/content?preview=true")))
    }

    pub fn delete(&self, rid: &str) -> Bytes {
        request("DELETE", &self.path(&format!("/{rid}?preview=true")), &self.token, None, None)
    }

    pub fn update_title(&self, rid: &str, title: &str) -> Bytes {
        let path = self.path(&format!("/{rid}/updateTitle?preview=true"));
        request("PUT", &path, &self.token, None, Some(&json!({"title": title})))
    }

    /// The same exchange is the same bytes: what a client sends that repeats a request.
    pub fn exchange(&self, rid: &str, exchange: &Exchange) -> Bytes {
        let operation = if exchange.stream { "streamingContinue" } else { "blockingContinue" };
        let path = self.path(&format!("/{rid}/{operation}?preview=true"));
        let mut body = json!({"userInput": {"text": exchange.text}, "sessionTraceId": exchange.trace});
        if exchange.stream {
            body["messageId"] = exchange.trace.as_str().into();
        }
        request("POST", &path, &self.token, exchange.key.as_deref(), Some(&body))
    }

    /// Cancels the exchange with this trace, which leaves nothing of it.
    pub fn cancel(&self, rid: &str, trace: &str) -> Bytes {
        let path = self.path(&format!("/{rid}/cancel?preview=true"));
        request("POST", &path, &self.token, None, Some(&json!({"messageId": trace})))
    }

    pub fn control_session(&self, rid: &str) -> Bytes {
        self.get(&format!("/control/v1/sessions/{rid}"))
    }

    pub fn control_turns(&self, rid: &str, after: Option<&str>) -> Bytes {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.get(&format!("/control/v1/sessions/{rid}/turns?limit=500{after}"))
    }

    pub fn control_parts(&self, turn: &str) -> Bytes {
        self.get(&format!("/control/v1/turns/{turn}/parts?limit=500"))
    }
}
