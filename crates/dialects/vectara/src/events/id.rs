//! Ids of events: `aev_{the turn's UUID}-{the item's position in the turn}`.

use sederunt_core::id::TurnId;
use uuid::Uuid;

/// The id of the event that the item at this position of this turn is.
pub(crate) fn event_id(turn: TurnId, position: u32) -> String {
    format!("aev_{}-{position}", turn.0.as_hyphenated())
}

/// What an id names; `None` if it is none that we make.
pub(crate) fn parse(id: &str) -> Option<(TurnId, u32)> {
    let (turn, position) = id.strip_prefix("aev_")?.rsplit_once('-')?;
    let turn = TurnId(Uuid::try_parse(turn).ok()?);
    let position = position.parse().ok()?;
    // One event, one name.
    (event_id(turn, position) == id).then_some((turn, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let turn = TurnId(Uuid::from_u128(0xb4b0_9e35_9165_4155_9433_f1b5_384e_7fcf));
        let id = event_id(turn, 12);
        assert_eq!(id, "aev_b4b09e35-9165-4155-9433-f1b5384e7fcf-12");
        assert_eq!(parse(&id), Some((turn, 12)));
        for other in
            ["aev_", "aev_1", "aev_b4b09e35-9165-4155-9433-f1b5384e7fcf", &id.to_uppercase(), &format!("{id}x")]
        {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse("aev_b4b09e35-9165-4155-9433-f1b5384e7fcf-012"), None);
        assert_eq!(parse("aev_b4b09e35916541559433f1b5384e7fcf-12"), None);
    }
}
