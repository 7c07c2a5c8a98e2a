//! `GET /agents/{agent_name}`.

use super::view;
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// The agent with its latest version.
pub(crate) async fn get(asked: Asked) -> Answer {
    let agent = asked.agent_to_read().await?;
    let latest = view::latest(&asked, &agent).await?;
    Ok(answer::json(&view::agent(&agent, &latest)))
}
