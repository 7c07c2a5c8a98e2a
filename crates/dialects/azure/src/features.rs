//! `Foundry-Features`: the opt-ins to previews that a request brings, and what needs which (the service's REST reference).

use http::HeaderMap;

use crate::failure::Failure;

/// The header, which may be repeated; each holds tokens `<Feature>=V1Preview` between commas.
const HEADER: &str = "foundry-features";

/// A preview that something may need the opt-in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    AgentEndpoints,
    HostedAgents,
    WorkflowAgents,
    ExternalAgents,
    VoiceAgents,
    DraftAgents,
}

impl Feature {
    fn token(self) -> &'static str {
        match self {
            Self::AgentEndpoints => "AgentEndpoints=V1Preview",
            Self::HostedAgents => "HostedAgents=V1Preview",
            Self::WorkflowAgents => "WorkflowAgents=V1Preview",
            Self::ExternalAgents => "ExternalAgents=V1Preview",
            Self::VoiceAgents => "VoiceAgents=V1Preview",
            Self::DraftAgents => "DraftAgents=V1Preview",
        }
    }

    /// What it is a preview of, as the refusal says it.
    fn thing(self) -> &'static str {
        match self {
            Self::AgentEndpoints => "The agent endpoint",
            Self::HostedAgents => "The hosted agent",
            Self::WorkflowAgents => "The workflow agent",
            Self::ExternalAgents => "The external agent",
            Self::VoiceAgents => "The voice agent",
            Self::DraftAgents => "The draft agent",
        }
    }

    /// Refuses with 403 `preview_feature_required` if the headers do not opt in. Tokens that nobody knows are passed over.
    pub fn demand(self, headers: &HeaderMap) -> Result<(), Failure> {
        let values = headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok());
        let mut tokens = values.flat_map(|value| value.split(',')).map(str::trim);
        if tokens.any(|token| token.eq_ignore_ascii_case(self.token())) {
            return Ok(());
        }
        let (thing, token) = (self.thing(), self.token());
        let message = format!(
            "{thing} is in preview. This operation requires the following opt-in preview feature(s): {token}. Include \
             the 'Foundry-Features: {token}' header in your request."
        );
        Err(Failure::new(403, "preview_feature_required", message).param("Foundry-Features"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_in_is_found_among_others_with_spaces_and_in_repeated_headers() {
        let mut headers = HeaderMap::new();
        assert!(Feature::AgentEndpoints.demand(&headers).is_err());
        headers.append(HEADER, "HostedAgents=V1Preview , Nobody=V9, WorkflowAgents=V1Preview".parse().unwrap());
        headers.append(HEADER, "AgentEndpoints=V1Preview".parse().unwrap());
        for feature in [Feature::AgentEndpoints, Feature::HostedAgents, Feature::WorkflowAgents] {
            assert!(feature.demand(&headers).is_ok(), "{feature:?}");
        }
        assert!(Feature::VoiceAgents.demand(&headers).is_err());
    }
}
