//! Conversations, and the port they are behind.

use async_trait::async_trait;
use sederunt_core::clock::Time;
use sederunt_core::conversation::{Conversation, ConversationFilter, ItemPlace};
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::{ConversationId, Key, TenantId, TurnId};
use sederunt_core::item::{Item, Mask};
use sederunt_core::page::{Created, Slice, Sliced};
use sederunt_core::session::Owner;
use sederunt_core::store::{Accept, ConversationStore, Finish, Keyed, RequestKey};
use sederunt_core::{Error, Result};
use serde_json::{Map, Value};

use crate::driver::{Guard, Outcome, Step, params, unsettled};
use crate::requests::remember;
use crate::rows::{self, conversation_columns, json};
use crate::session_lists::place;
use crate::slices::{Reading, owned, owners};
use crate::{SqlStore, TRIES, delete, finish};

const INSERT: &str = "insert into conversations (tenant, id, key, owner, client, agent, session, head, turns, metadata, \
     created) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing";
pub(crate) const SET_METADATA: &str = concat!(
    "update conversations set metadata = $3 where tenant = $1 and id = $2 and deleted is null returning ",
    conversation_columns!("")
);
macro_rules! found {
    ($condition:literal) => {
        concat!(
            "select ",
            conversation_columns!("k."),
            " from conversations k where k.tenant = $1 and k.deleted is null and ",
            $condition
        )
    };
}
const BY_ID: &str = found!("k.id = $2");
pub(crate) const BY_KEY: &str = found!("k.key = $2");

macro_rules! listed {
    ($filter:expr, $behind:literal, $direction:literal) => {
        concat!(
            "select ",
            conversation_columns!("k."),
            " from conversations k where k.tenant = $1 and (k.created, k.id) ",
            $behind,
            " ($2, $3) and k.deleted is null and ",
            $filter,
            " order by k.created ",
            $direction,
            ", k.id ",
            $direction,
            " limit $4"
        )
    };
    ($filter:expr) => {
        [listed!($filter, ">", "asc"), listed!($filter, "<", "desc")]
    };
}
pub(crate) const BY_CREATED: [&str; 2] = listed!(owned!("k.owner", "$5", "$6", "$7"));
pub(crate) const BY_AGENT: [&str; 2] = listed!(concat!("k.agent = $8 and ", owned!("k.owner", "$5", "$6", "$7")));
pub(crate) const BY_OWNER: [&str; 2] = listed!("k.owner = $5");
pub(crate) const BY_OWNER_AND_AGENT: [&str; 2] = listed!("k.owner = $5 and k.agent = $6");

/// Where it stands, or stood: it is in one of the two.
pub(crate) const PLACE: &str = "select created, id from conversations where tenant = $1 and id = $2 union all \
     select created, id from gone where tenant = $1 and agent = '' and key = $2 limit 1";

#[async_trait]
impl ConversationStore for SqlStore {
    async fn insert_conversation(
        &self,
        conversation: &Conversation,
        begins: Option<(&Accept, &Finish)>,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>> {
        let tenant = &conversation.tenant;
        let insert = params![
            tenant.as_str(),
            conversation.id.to_string(),
            conversation.key.as_ref().map(Key::as_str),
            conversation.owner.as_str(),
            conversation.client.as_str(),
            conversation.agent.map(|id| id.to_string()),
            conversation.session.map(|id| id.to_string()),
            conversation.head.map(|id| id.to_string()),
            conversation.turns,
            json(&conversation.metadata)?,
            conversation.created.nanos(),
        ];
        for _ in 0..TRIES {
            let remembered = request.map(|request| remember(tenant, request, conversation.id));
            let insert = Step::guarded(Guard::Row, INSERT, insert.clone());
            let mut steps: Vec<Step> = remembered.into_iter().chain([insert]).collect();
            if let Some((accept, finish)) = begins {
                steps.extend(self.acceptance(accept)?);
                steps.extend(finish::steps(finish)?);
            }
            match self.driver.transact(steps).await? {
                Outcome::Done(_) => return Ok(Keyed::Applied(())),
                Outcome::Missed(Guard::Request) => {
                    if let Some(found) = self.replayed(tenant, request, conversation.id).await? {
                        return Ok(found);
                    }
                }
                Outcome::Missed(_) if self.conversation(tenant, conversation.id).await?.is_some() => {
                    return Ok(Keyed::Applied(()));
                }
                Outcome::Missed(_) => {
                    let name = conversation.key.as_ref().map_or(conversation.id.to_string(), Key::to_string);
                    return Err(Error::conflict(Conflict::AlreadyExists, name));
                }
            }
        }
        Err(unsettled())
    }

    async fn conversation(&self, tenant: &TenantId, id: ConversationId) -> Result<Option<Conversation>> {
        self.one(BY_ID, params![tenant.as_str(), id.to_string()]).await?.map(rows::conversation).transpose()
    }

    async fn conversation_by_key(&self, tenant: &TenantId, key: &Key) -> Result<Option<Conversation>> {
        self.one(BY_KEY, params![tenant.as_str(), key.as_str()]).await?.map(rows::conversation).transpose()
    }

    async fn set_conversation_metadata(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        metadata: &Map<String, Value>,
    ) -> Result<Conversation> {
        let params = params![tenant.as_str(), id.to_string(), json(metadata)?];
        let set = Step::guarded(Guard::Conversation, SET_METADATA, params);
        match self.driver.transact(vec![set]).await? {
            Outcome::Done(mut rows) => {
                rows::conversation(rows.pop().and_then(|mut rows| rows.pop()).unwrap_or_default())
            }
            Outcome::Missed(_) => Err(Error::not_found(Kind::Conversation, id)),
        }
    }

    async fn delete_conversation(&self, tenant: &TenantId, id: ConversationId, now: Time) -> Result<bool> {
        let steps = delete::conversation(tenant, id, now)?;
        Ok(matches!(self.driver.transact(steps).await?, Outcome::Done(_)))
    }

    async fn conversations_by_created(
        &self,
        filter: &ConversationFilter,
        slice: &Slice<Created<ConversationId>>,
    ) -> Result<Sliced<Conversation>> {
        let reading = Reading::of(slice);
        let mut params = params![filter.tenant.as_str()];
        params.extend(reading.start());
        params.push(reading.wanted().into());
        let agent = filter.agent.map(|agent| agent.to_string());
        let statements = match &filter.owner {
            Some(Owner { user, end_users: false }) => {
                params.push(user.as_str().into());
                if agent.is_some() { BY_OWNER_AND_AGENT } else { BY_OWNER }
            }
            owner => {
                params.extend(owners(owner.as_ref()));
                if agent.is_some() { BY_AGENT } else { BY_CREATED }
            }
        };
        params.extend(agent.map(Into::into));
        let rows = self.list(reading.choose(statements), params).await?;
        Ok(reading.sliced(rows.into_iter().map(rows::conversation).collect::<Result<_>>()?, |found: &Conversation| {
            (found.created, found.id)
        }))
    }

    async fn conversation_place(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Created<ConversationId>>> {
        self.one(PLACE, params![tenant.as_str(), id.to_string()]).await?.map(place).transpose()
    }

    async fn conversation_items(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<(ItemPlace, Item)>> {
        self.slice_items(tenant, id, slice).await
    }

    async fn conversation_item(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<(ItemPlace, Item, bool)>> {
        self.item_of(tenant, id, turn, position).await
    }

    async fn put_mask(&self, tenant: &TenantId, mask: &Mask, now: Time) -> Result<bool> {
        self.mask_item(tenant, mask, now).await
    }
}
