//! The realtime engine: channels, subscribers, publications, presence, history and fan-out.
//!
//! It speaks neutral words and knows no protocol. [`Engine`] is shared by all threads; a [`Hub`] belongs to one
//! worker thread and knows which of that worker's connections listen to what. A publication goes to the
//! [`Broker`], and only the broker's callback ([`Sink`]) delivers it: into the [`Inbox`] of each worker that
//! listens, once, however many connections it has there.

mod app;
mod app_store;
mod broker;
mod call;
mod channel;
mod gate;
mod hub;
mod node;
mod observer;
mod outbox;
mod presence;
mod publication;
mod statistics;
mod webhook;

pub use app::{App, AppNumber, AppOptions, Apps, ClientEvents, KeyPair, MessageRate, Pings, Secret};
pub use app_store::{AppRecord, AppStore, AppStoreError, StoredKey, contract as app_store_contract};
pub use broker::{Broker, BrokerError, History, Sink, contract as broker_contract, memory::MemoryBroker};
pub use call::{Answer, Beginning, Call, SubscribeRefused, Subscribed};
pub use channel::{ChannelName, ChannelNameError, HistoryOptions, Namespace};
pub use gate::Gate;
pub use hub::{Dropped, Hub, Slot};
pub use node::{Inbox, Inboxed, Node, WorkerNumber};
pub use observer::{Observation, Observations, Observed, Observer, Watcher};
pub use outbox::{NewParcel, Parcel, WebhookQueue, WebhookQueueError, contract as outbox_contract};
pub use presence::{
    JoinError, Member, Presence, Roster, contract as presence_contract, memory::MemoryPresence,
};
pub use publication::{
    ConnectionId, Content, Delivery, Position, Publication, Publisher, UserId, WireFormat,
};
pub use statistics::{Sample, Statistics, StatisticsError, contract as statistics_contract};
pub use webhook::{ObservedKind, Webhook};

use std::sync::{Arc, OnceLock};

/// What is shared by all threads of a node. Cheap to clone behind an `Arc`.
pub struct Engine {
    /// The tenants.
    pub apps: Apps,
    node: Arc<Node>,
    broker: Arc<dyn Broker>,
    presence: Arc<dyn Presence>,
    /// Who hears first what clients of one app say.
    gate: OnceLock<(AppNumber, Arc<dyn Gate>)>,
}

/// The channel on which nodes pass each other orders. No protocol lets a client listen to it.
fn orders() -> ChannelName {
    ChannelName::parse("#orders").expect("a valid name")
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// This node's workers are behind: try again a little later.
    #[error("the node is busy")]
    Busy,
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Engine {
    /// An engine over the given broker and presence; both must deliver into `node`.
    pub fn new(node: Arc<Node>, broker: Arc<dyn Broker>, presence: Arc<dyn Presence>) -> Self {
        Self {
            apps: Apps::default(),
            node,
            broker,
            presence,
            gate: OnceLock::new(),
        }
    }

    /// Has `gate` hear first what clients of the app publish. The first one stays.
    pub fn guard(&self, app: AppNumber, gate: Arc<dyn Gate>) {
        let _ = self.gate.set((app, gate));
    }

    fn gate_of(&self, app: AppNumber) -> Option<&dyn Gate> {
        let (guarded, gate) = self.gate.get()?;
        (*guarded == app).then_some(&**gate)
    }

    /// Publishes what a client has said, unless the app's gate keeps it.
    pub async fn publish_of_client(&self, publication: Publication) -> Result<(), PublishError> {
        if self
            .gate_of(publication.app)
            .is_some_and(|gate| gate.keeps(&publication))
        {
            return Ok(());
        }
        self.publish(publication).await.map(drop)
    }

    /// An engine that needs nothing but memory, and is alone.
    pub fn in_memory() -> Self {
        let node = Arc::new(Node::default());
        let broker = Arc::new(MemoryBroker::new(node.clone()));
        let presence = MemoryPresence::new(node.clone()).observed_by(node.observations().clone());
        let presence = Arc::new(presence);
        Self::new(node, broker, presence)
    }

    /// This node's workers and who of them listens to what.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Publishes to everyone who listens, on every node. Returns when the broker has accepted it, not when
    /// it has arrived; a position when the channel keeps history.
    pub async fn publish(&self, publication: Publication) -> Result<Option<Position>, PublishError> {
        if self.node.is_busy() {
            return Err(PublishError::Busy);
        }
        let history = self
            .apps
            .get(publication.app)
            .and_then(|app| app.keeps(&publication));
        let (app, channel) = (publication.app, publication.channel.clone());
        let told = self.client_event(&publication);
        let position = self.broker.publish(publication, history).await?;
        if history.is_some() {
            self.observed(app, &channel, || Observed::CacheFilled);
        }
        if let Some(event) = told {
            self.observed(app, &channel, || event);
        }
        Ok(position)
    }

    /// Publishes the same on each of these channels, at once: what it says is encoded once, and crosses to each
    /// worker once. The publication's own channel is not looked at.
    pub async fn publish_each(
        &self,
        mut publication: Publication,
        mut channels: Vec<ChannelName>,
    ) -> Result<(), PublishError> {
        if self.node.is_busy() {
            return Err(PublishError::Busy);
        }
        let app = self.apps.get(publication.app);
        // What is kept gets a position of its own on each channel.
        let mut kept = Vec::new();
        channels.retain(|channel| {
            publication.channel = channel.clone();
            let keeps = app.as_ref().is_some_and(|app| app.keeps(&publication).is_some());
            if keeps {
                kept.push(publication.clone());
            }
            !keeps
        });
        for publication in kept {
            self.publish(publication).await?;
        }
        match channels.as_slice() {
            [] => {}
            [channel] => {
                publication.channel = channel.clone();
                self.broker.publish(publication, None).await?;
            }
            [first, ..] => {
                publication.channel = first.clone();
                self.broker.publish_each(publication, channels).await?;
            }
        }
        Ok(())
    }

    /// What a watcher is told of a publication that came from a connection, if one is.
    fn client_event(&self, publication: &Publication) -> Option<Observed> {
        let publisher = publication.publisher.as_ref()?;
        let Content::Message { event, data } = &publication.content else {
            return None;
        };
        self.node
            .observations()
            .wants(publication.app)
            .then(|| Observed::ClientEvent {
                event: event.clone().unwrap_or_default(),
                data: data.clone(),
                connection: publisher.connection,
                user: publisher.user.clone(),
            })
    }

    /// Tells whoever watches the app. For what the engine cannot know by itself, such as a missed cache.
    pub fn observed(&self, app: AppNumber, channel: &ChannelName, what: impl FnOnce() -> Observed) {
        self.node.observations().tell(app, channel, what);
    }

    /// Has `watcher` told of what happens in apps; see [`Observations::choose`] for which.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.node.observations().watch(watcher);
    }

    /// Subscribes a connection of `worker`, which has put it into its hub already, so that nothing published
    /// from now on is missed. Presence channels are joined when `member` is given.
    pub async fn subscribe(
        &self,
        worker: WorkerNumber,
        connection: ConnectionId,
        app: &App,
        channel: &ChannelName,
        member: Option<Member>,
        beginning: Beginning,
    ) -> Result<Subscribed, SubscribeRefused> {
        if self.node.subscribed(worker, app.number, channel) {
            self.broker.listen(app.number, channel).await.map_err(|error| {
                self.node.unsubscribed(worker, app.number, channel);
                SubscribeRefused::Unavailable(error.to_string())
            })?;
        }
        let present = member.is_some();
        let mut joined = None;
        if let Some(member) = member {
            let users_max = app.options.presence_members_max;
            let roster = self
                .presence
                .join(app.number, channel, connection, member, users_max)
                .await;
            match roster {
                Ok(roster) => joined = Some(roster),
                Err(refusal) => {
                    self.leave_channel(worker, app.number, channel).await;
                    return Err(match refusal {
                        JoinError::Full => SubscribeRefused::ChannelFull,
                        JoinError::Unavailable(text) => SubscribeRefused::Unavailable(text),
                    });
                }
            }
        }
        let begun = self.begin(app.number, channel, joined, beginning).await;
        if let Ok(begun) = &begun
            && beginning.recent > 0
            && begun
                .history
                .as_ref()
                .is_none_or(|history| history.publications.is_empty())
        {
            self.observed(app.number, channel, || Observed::CacheMiss);
        }
        if begun.is_err() {
            self.unsubscribe(worker, connection, app.number, channel, present)
                .await;
        }
        begun
    }

    /// What a subscriber is told who is there already, and asks again.
    pub async fn resubscribe(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        beginning: Beginning,
    ) -> Result<Subscribed, SubscribeRefused> {
        self.begin(app, channel, None, beginning).await
    }

    async fn begin(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        joined: Option<Roster>,
        beginning: Beginning,
    ) -> Result<Subscribed, SubscribeRefused> {
        let unavailable = |text| SubscribeRefused::Unavailable(text);
        let roster = match joined {
            None if beginning.roster => {
                let roster = self.presence.roster(app, channel).await;
                Some(roster.map_err(|error| unavailable(error.to_string()))?)
            }
            joined => joined,
        };
        let history = if beginning.recent > 0 {
            let history = self.broker.history(app, channel, None, beginning.recent).await;
            Some(history.map_err(|error| unavailable(error.to_string()))?)
        } else {
            None
        };
        Ok(Subscribed {
            channel: channel.clone(),
            roster,
            history,
        })
    }

    /// Takes the connection, which is out of its worker's hub already, off the channel.
    pub async fn unsubscribe(
        &self,
        worker: WorkerNumber,
        connection: ConnectionId,
        app: AppNumber,
        channel: &ChannelName,
        present: bool,
    ) {
        if present && let Err(error) = self.presence.leave(app, channel, connection).await {
            // Presence forgets the connection by itself when its lease runs out.
            tracing::warn!(%error, "A connection could not leave a presence channel");
        }
        if let Some(gate) = self.gate_of(app) {
            gate.left(channel, connection);
        }
        self.leave_channel(worker, app, channel).await;
    }

    async fn leave_channel(&self, worker: WorkerNumber, app: AppNumber, channel: &ChannelName) {
        if self.node.unsubscribed(worker, app, channel)
            && let Err(error) = self.broker.unlisten(app, channel).await
        {
            tracing::warn!(%error, "The broker could not stop listening to a channel");
        }
    }

    /// Who is present on a channel.
    pub async fn roster(&self, app: AppNumber, channel: &ChannelName) -> Result<Roster, JoinError> {
        self.presence.roster(app, channel).await
    }

    /// Publications kept after `since`, and whether that is all that there was; the newest `limit` when
    /// `since` is not given.
    pub async fn history(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        since: Option<Position>,
        limit: usize,
    ) -> Result<History, BrokerError> {
        self.broker.history(app, channel, since, limit).await
    }

    /// Whether anybody on this node listens to the channel.
    pub fn has_subscribers(&self, app: AppNumber, channel: &ChannelName) -> bool {
        self.node.subscriber_count(app, channel) > 0
    }

    /// Connections of this node that are subscribed to the channel.
    pub fn subscriber_count(&self, app: AppNumber, channel: &ChannelName) -> usize {
        self.node.subscriber_count(app, channel)
    }

    /// Channels of the app that somebody on this node listens to and whose names begin like this, with how many do.
    pub fn channels(&self, app: AppNumber, prefix: &str) -> Vec<(ChannelName, usize)> {
        self.node.channels(app, prefix)
    }

    /// Closes the connection, wherever on this node it lives, in a way that its client does not come back
    /// by itself. It is closed only if it is subscribed to the channel, so that who merely knows the id of another
    /// one's connection cannot have it closed.
    pub fn disconnect(&self, connection: ConnectionId, app: AppNumber, channel: &ChannelName) {
        self.node.disconnect(connection, app, channel, None);
    }

    /// As [`Engine::disconnect`], by the publication's channel, and the connection alone is told the publication
    /// before.
    pub fn dismiss(&self, connection: ConnectionId, farewell: Publication) {
        let (app, channel) = (farewell.app, farewell.channel.clone());
        let farewell = Delivery::new(farewell, None);
        self.node.disconnect(connection, app, &channel, Some(&farewell));
    }

    /// Closes the connection, wherever on this node it lives and if it is subscribed to the channel, in a way that
    /// its client comes back at once; then it is asked anew what it may listen to.
    pub fn renew(&self, connection: ConnectionId, app: AppNumber, channel: &ChannelName) {
        self.node.renew(connection, app, channel);
    }

    /// Closes all connections of the user, on every node, in a way that its clients do not come back by
    /// themselves. The connections know whose they are; each protocol has its own ways to tell.
    pub async fn disconnect_user(&self, app: AppNumber, user: UserId) -> Result<(), BrokerError> {
        let order = Publication {
            app,
            channel: orders(),
            content: Content::Disconnect { user },
            publisher: None,
            except: None,
        };
        self.broker.publish(order, None).await.map(drop)
    }

    /// Lets this node hear of orders to users of the app that other nodes give. Once for each app.
    pub async fn take_orders(&self, app: AppNumber) -> Result<(), BrokerError> {
        self.broker.listen(app, &orders()).await
    }

    /// Tells `observer` of every channel that comes to life or falls silent on this node.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.node.observe(observer);
    }
}

#[cfg(test)]
mod tests;
