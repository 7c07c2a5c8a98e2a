//! Conversations: made, read, changed, deleted, and the items of their lines.

use serde_json::{Map, Value};

use super::App;
use super::sessions::RequestOnce;
use crate::caller::{Action, Caller};
use crate::conversation::{Conversation, ConversationFilter, ItemPlace, NewConversation};
use crate::error::{Error, Kind, Result};
use crate::id::{AgentId, ConversationId, Key, TurnId};
use crate::item::{Item, Mask, MaskReason, MaskScope, NewItem};
use crate::node::Which;
use crate::page::{Created, Slice, Sliced};
use crate::session::Owner;
use crate::store::Keyed;

/// The operations on conversations.
#[derive(Clone, Copy, Debug)]
pub struct Conversations<'a>(pub(super) &'a App);

impl Conversations<'_> {
    /// Makes a conversation, with these items at its beginning, in one step. Repeated with the same key, it is the one made then.
    /// `Conflict(AlreadyExists)` if its key is in use.
    pub async fn create(
        &self,
        caller: &Caller,
        new: NewConversation,
        items: Vec<NewItem>,
        once: Option<RequestOnce<'_>>,
    ) -> Result<Conversation> {
        caller.may(Action::Talk)?;
        let now = self.0.now();
        let mut conversation = Conversation {
            tenant: caller.tenant.clone(),
            id: ConversationId(self.0.ports().ids.uuid(now)),
            key: new.key,
            owner: caller.user.clone(),
            client: caller.client.clone(),
            agent: new.agent,
            session: None,
            head: None,
            turns: 0,
            metadata: new.metadata,
            created: now,
        };
        let key = once.map(|once| once.key(self.0, caller));
        let begins = match items.as_slice() {
            [] => None,
            _ => Some(self.0.engine().importing(caller, &conversation, items)?),
        };
        let parts = begins.as_ref().map(|(accept, finish)| (accept, finish));
        if let Keyed::Replayed(id) = self.0.store().insert_conversation(&conversation, parts, key.as_ref()).await? {
            return self.get(caller, id.parse()?).await;
        }
        if let Some((accept, _)) = begins {
            (conversation.head, conversation.turns) = (Some(accept.turn.id), 1);
        }
        Ok(conversation)
    }

    /// The conversation, if the caller may see it.
    pub async fn get(&self, caller: &Caller, id: ConversationId) -> Result<Conversation> {
        let found = self.0.store().conversation(&caller.tenant, id).await?;
        Self::visible(caller, found, &id)
    }

    /// The conversation with this key, if the caller may see it.
    pub async fn get_by_key(&self, caller: &Caller, key: &Key) -> Result<Conversation> {
        let found = self.0.store().conversation_by_key(&caller.tenant, key).await?;
        Self::visible(caller, found, key)
    }

    fn visible(caller: &Caller, found: Option<Conversation>, name: &impl ToString) -> Result<Conversation> {
        caller.may(Action::ReadSessions)?;
        found
            .filter(|conversation| caller.sees(&conversation.owner, conversation.agent))
            .ok_or_else(|| Error::not_found(Kind::Conversation, name.to_string()))
    }

    /// Puts free data in place of the old.
    pub async fn set_metadata(
        &self,
        caller: &Caller,
        id: ConversationId,
        metadata: &Map<String, Value>,
    ) -> Result<Conversation> {
        self.get(caller, id).await?;
        caller.may(Action::ManageSessions)?;
        self.0.store().set_conversation_metadata(&caller.tenant, id, metadata).await
    }

    /// Deletes a conversation. A turn that runs in it is dropped and its stream broken off.
    pub async fn delete(&self, caller: &Caller, id: ConversationId) -> Result<()> {
        self.get(caller, id).await?;
        caller.may(Action::ManageSessions)?;
        if !self.0.store().delete_conversation(&caller.tenant, id, self.0.now()).await? {
            return Err(Error::not_found(Kind::Conversation, id));
        }
        self.0.abandon(&caller.tenant, Which::Conversation(id)).await;
        Ok(())
    }

    /// The caller's conversations by time of creation.
    pub async fn by_created(
        &self,
        caller: &Caller,
        agent: Option<AgentId>,
        slice: &Slice<Created<ConversationId>>,
    ) -> Result<Sliced<Conversation>> {
        caller.may(Action::ListSessions)?;
        let all = agent.map_or_else(|| caller.grants.everywhere(Action::SeeAll), |agent| caller.sees_all_of(agent));
        let filter =
            ConversationFilter { tenant: caller.tenant.clone(), owner: (!all).then(|| Owner::of(caller)), agent };
        self.0.store().conversations_by_created(&filter, slice).await
    }

    /// Where the conversation stands, or stood a while ago, in [`Conversations::by_created`]. One that the caller may not
    /// see stands nowhere.
    pub async fn place(&self, caller: &Caller, id: ConversationId) -> Result<Option<Created<ConversationId>>> {
        caller.may(Action::ListSessions)?;
        let found = self.0.store().conversation(&caller.tenant, id).await?;
        if found.is_some_and(|conversation| !caller.sees(&conversation.owner, conversation.agent)) {
            return Ok(None);
        }
        self.0.store().conversation_place(&caller.tenant, id).await
    }

    /// Adds items to the end of a conversation; returns them. `Conflict(Busy)` while a turn runs in it. Repeated with the
    /// same key, they are those added then.
    pub async fn add_items(
        &self,
        caller: &Caller,
        conversation: &Conversation,
        items: Vec<NewItem>,
        once: Option<RequestOnce<'_>>,
    ) -> Result<Vec<Item>> {
        caller.may(Action::Talk)?;
        let key = once.map(|once| once.key(self.0, caller));
        Ok(self.0.engine().import(caller, conversation, items, key).await?.items)
    }

    /// A piece of the list of a conversation's items.
    pub async fn items(
        &self,
        conversation: &Conversation,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<(ItemPlace, Item)>> {
        self.0.store().conversation_items(&conversation.tenant, conversation.id, slice).await
    }

    /// Where the item at this position of this turn stands in the conversation's list, hidden or not.
    pub async fn item_place(
        &self,
        conversation: &Conversation,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<ItemPlace>> {
        let Conversation { tenant, id, .. } = conversation;
        let found = self.0.store().conversation_item(tenant, *id, turn, position).await?;
        Ok(found.map(|(place, _, _)| place))
    }

    /// The conversation's item at this position of this turn. `NotFound(Item)` if it is not there or hidden.
    pub async fn item(&self, conversation: &Conversation, turn: TurnId, position: u32) -> Result<Item> {
        let Conversation { tenant, id, .. } = conversation;
        match self.0.store().conversation_item(tenant, *id, turn, position).await? {
            Some((_, item, false)) => Ok(item),
            _ => Err(Error::not_found(Kind::Item, turn)),
        }
    }

    /// Takes an item out of a conversation, for readers and for models. `NotFound(Item)` as above.
    pub async fn remove_item(
        &self,
        caller: &Caller,
        conversation: &Conversation,
        turn: TurnId,
        position: u32,
    ) -> Result<()> {
        let item = self.item(conversation, turn, position).await?;
        caller.may(Action::ManageSessions)?;
        let mask = Mask { item: item.id, scope: MaskScope::All, reason: MaskReason::Removed };
        if self.0.store().put_mask(&caller.tenant, &mask, self.0.now()).await? {
            Ok(())
        } else {
            Err(Error::not_found(Kind::Item, item.id))
        }
    }
}
