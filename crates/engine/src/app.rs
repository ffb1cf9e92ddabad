//! Apps: the tenants of the engine, with their keys and limits.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::channel::{ChannelName, HistoryOptions, Namespace};
use crate::publication::{Content, Publication};
use crate::webhook::Webhook;

/// An app's number on this node: its place in [`Apps`]. Never shown to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppNumber(pub u32);

/// A secret. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The bytes, for signing.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text, to keep it or to show it to whom it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A public key and the secret that signs for it.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// Public: in addresses and signatures.
    pub key: String,
    /// Signs.
    pub secret: Secret,
}

/// From whom client events are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvents {
    /// From nobody.
    Refused,
    /// From connections subscribed to the channel, on private and presence channels.
    Members,
    /// The same, and on public channels too.
    MembersAndPublic,
    /// The same, and on public channels also from connections that are not subscribed.
    Anybody,
}

/// How a silent client is asked whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pings {
    /// By the transport's own means, which no application sees.
    Frames,
    /// By a message of the protocol, for clients that cannot answer anything else.
    Messages,
}

/// How many messages a connection may send within a while. What only keeps it alive does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRate {
    /// So many.
    pub max: u32,
    /// Within so many milliseconds.
    pub window_ms: u64,
    /// Whether one that sends more is closed, and not only refused.
    pub closes: bool,
}

/// What an app allows. Sizes in bytes, times in milliseconds; 0 means no limit where it says so.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// Switched off apps refuse every connection and publication.
    pub enabled: bool,
    /// Most connections at a time; 0 is no limit.
    pub connections_max: usize,
    /// Hosts a browser may come from; `*` in the list admits all. Compared with the host of `Origin`.
    pub allowed_origins: Vec<String>,
    /// From whom client events are taken.
    pub client_events: ClientEvents,
    /// Client events a second from one connection, which is also the burst; 0 is no limit.
    pub client_events_per_s: u32,
    /// Largest data of one event, from clients and publishers alike.
    pub event_bytes_max: usize,
    /// Longest event name, in characters.
    pub event_name_chars_max: usize,
    /// Most channels of one publish call.
    pub channels_per_event_max: usize,
    /// Most channels a connection may be subscribed to.
    pub subscriptions_max: usize,
    /// Largest message a client may send.
    pub message_bytes_max: usize,
    /// How many messages a connection may send; `None` is no limit.
    pub message_rate: Option<MessageRate>,
    /// Whether names of channels may have any characters that print.
    pub lenient_names: bool,
    /// Most members of a presence channel; 0 is no limit.
    pub presence_members_max: usize,
    /// Largest member data of a presence channel.
    pub presence_member_bytes_max: usize,
    /// Silence after which a client should ask whether we are there; announced to it.
    pub activity_timeout_ms: u64,
    /// Silence after which we ask whether the client is there.
    pub ping_interval_ms: u64,
    /// In which way we ask.
    pub pings: Pings,
    /// How long we wait for any answer to that.
    pub pong_timeout_ms: u64,
    /// Whether subscribers are told how many they are.
    pub subscription_counts: bool,
    /// Most events of one call that publishes many.
    pub events_per_batch_max: usize,
    /// Events a second that servers may publish; 0 is no limit.
    pub published_per_s: u32,
    /// Questions a second that servers may ask; 0 is no limit.
    pub queries_per_s: u32,
    /// Whether a user hears who of those it watches comes and goes.
    pub watchlists: bool,
    /// How long a connection may stay without saying who it is, in milliseconds; 0 is no limit.
    pub user_authentication_timeout_ms: u64,
    /// Whether ending a user's connections also ends those that only are on a presence channel as that user.
    pub disconnect_by_presence: bool,
    /// How far a publisher's clock may be off, in seconds; 0 is no limit.
    pub timestamp_tolerance_s: u64,
    /// Who is told of what happens on its channels.
    pub webhooks: Vec<Webhook>,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            connections_max: 0,
            allowed_origins: vec!["*".to_owned()],
            client_events: ClientEvents::Members,
            client_events_per_s: 10,
            event_bytes_max: 10_240,
            event_name_chars_max: 200,
            channels_per_event_max: 100,
            subscriptions_max: 1_000,
            message_bytes_max: 64 * 1024,
            message_rate: None,
            lenient_names: false,
            presence_members_max: 1_000,
            presence_member_bytes_max: 2_048,
            activity_timeout_ms: 120_000,
            ping_interval_ms: 60_000,
            pings: Pings::Frames,
            pong_timeout_ms: 30_000,
            subscription_counts: false,
            events_per_batch_max: 10,
            published_per_s: 0,
            queries_per_s: 0,
            watchlists: false,
            user_authentication_timeout_ms: 0,
            disconnect_by_presence: true,
            timestamp_tolerance_s: 600,
            webhooks: Vec::new(),
        }
    }
}

/// A tenant.
#[derive(Debug)]
pub struct App {
    /// Its number on this node.
    pub number: AppNumber,
    /// Its public id, as in the paths of HTTP APIs.
    pub id: String,
    /// Its key pairs, the main one first; each of them is valid.
    pub keys: Vec<KeyPair>,
    /// What it allows.
    pub options: AppOptions,
    /// Options of channels by name prefix; the first that fits counts.
    pub namespaces: Vec<Namespace>,
}

impl App {
    /// The main public key.
    pub fn key(&self) -> &str {
        &self.keys[0].key
    }

    /// The secret of a key, if the key is one of this app's.
    pub fn secret_of(&self, key: &str) -> Option<&Secret> {
        self.keys
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| &pair.secret)
    }

    /// The options of the channel, if its name has a prefix with options.
    pub fn namespace(&self, channel: &ChannelName) -> Option<&Namespace> {
        let name = channel.as_str();
        self.namespaces.iter().find(|n| name.starts_with(&n.prefix))
    }

    /// How the publication is to be kept, if it is.
    pub fn keeps(&self, publication: &Publication) -> Option<HistoryOptions> {
        let namespace = self.namespace(&publication.channel)?;
        let kept = matches!(publication.content, Content::Message { .. })
            && (publication.publisher.is_none() || namespace.history_of_connections);
        namespace.history.filter(|_| kept)
    }
}

/// All apps of this node.
#[derive(Default)]
pub struct Apps {
    inner: RwLock<AppsInner>,
}

#[derive(Default)]
struct AppsInner {
    /// A number is not given out again: what still comes for an app that was removed must not reach another.
    by_number: Vec<Option<Arc<App>>>,
    by_id: HashMap<String, AppNumber>,
    by_key: HashMap<String, AppNumber>,
}

impl AppsInner {
    fn get(&self, number: AppNumber) -> Option<Arc<App>> {
        self.by_number.get(number.0 as usize)?.clone()
    }
}

impl Apps {
    /// Adds an app; `None` when its id or one of its keys is taken, or it has no key.
    pub fn add(
        &self,
        id: &str,
        keys: Vec<KeyPair>,
        options: AppOptions,
        namespaces: Vec<Namespace>,
    ) -> Option<Arc<App>> {
        let mut inner = self.inner.write();
        let taken =
            inner.by_id.contains_key(id) || keys.iter().any(|pair| inner.by_key.contains_key(&pair.key));
        if taken || keys.is_empty() {
            return None;
        }
        let number = AppNumber(inner.by_number.len() as u32);
        inner.by_id.insert(id.to_owned(), number);
        for pair in &keys {
            inner.by_key.insert(pair.key.clone(), number);
        }
        let app = Arc::new(App {
            number,
            id: id.to_owned(),
            keys,
            options,
            namespaces,
        });
        inner.by_number.push(Some(app.clone()));
        Some(app)
    }

    /// Replaces keys and options of the app of this id, which keeps its number. Connections keep what they came
    /// with until they come again. `None` when there is none, a key is another app's, or there is no key.
    pub fn replace(&self, id: &str, keys: Vec<KeyPair>, options: AppOptions) -> Option<Arc<App>> {
        let mut inner = self.inner.write();
        let number = *inner.by_id.get(id)?;
        let others = |pair: &KeyPair| inner.by_key.get(&pair.key).is_some_and(|whose| *whose != number);
        if keys.is_empty() || keys.iter().any(others) {
            return None;
        }
        let before = inner.by_number[number.0 as usize].take()?;
        for pair in &before.keys {
            inner.by_key.remove(&pair.key);
        }
        for pair in &keys {
            inner.by_key.insert(pair.key.clone(), number);
        }
        let app = Arc::new(App {
            number,
            id: id.to_owned(),
            keys,
            options,
            namespaces: before.namespaces.clone(),
        });
        inner.by_number[number.0 as usize] = Some(app.clone());
        Some(app)
    }

    /// Removes the app of this id. Its connections are not touched; see [`crate::Node::close_app`].
    pub fn remove(&self, id: &str) -> Option<Arc<App>> {
        let mut inner = self.inner.write();
        let number = inner.by_id.remove(id)?;
        let app = inner.by_number[number.0 as usize].take()?;
        for pair in &app.keys {
            inner.by_key.remove(&pair.key);
        }
        Some(app)
    }

    /// All apps, by number.
    pub fn all(&self) -> Vec<Arc<App>> {
        self.inner.read().by_number.iter().flatten().cloned().collect()
    }

    /// The app of this number.
    pub fn get(&self, number: AppNumber) -> Option<Arc<App>> {
        self.inner.read().get(number)
    }

    /// The app that has this public id.
    pub fn by_id(&self, id: &str) -> Option<Arc<App>> {
        let inner = self.inner.read();
        inner.get(*inner.by_id.get(id)?)
    }

    /// The app that has this public key.
    pub fn by_key(&self, key: &str) -> Option<Arc<App>> {
        let inner = self.inner.read();
        inner.get(*inner.by_key.get(key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::{ConnectionId, Publisher};

    fn pair(key: &str) -> KeyPair {
        KeyPair {
            key: key.to_owned(),
            secret: Secret::new("hidden"),
        }
    }

    #[test]
    fn an_app_is_found_by_id_and_by_each_of_its_keys() {
        let apps = Apps::default();
        let added = apps
            .add("7", vec![pair("a"), pair("b")], AppOptions::default(), Vec::new())
            .unwrap();
        assert_eq!(apps.by_id("7").unwrap().number, added.number);
        assert_eq!(apps.by_key("b").unwrap().number, added.number);
        assert!(apps.by_key("7").is_none());
        assert!(
            apps.add("8", vec![pair("b")], AppOptions::default(), Vec::new())
                .is_none(),
            "a key is taken once"
        );
        assert!(
            apps.add("9", Vec::new(), AppOptions::default(), Vec::new())
                .is_none(),
            "an app needs a key"
        );
    }

    #[test]
    fn a_namespace_says_whose_publications_are_kept() {
        let keep = HistoryOptions { size: 1, ttl_ms: 5 };
        let namespace = |prefix: &str, history_of_connections| Namespace {
            prefix: prefix.to_owned(),
            history: Some(keep),
            history_of_connections,
        };
        let namespaces = vec![namespace("servers-", false), namespace("all-", true)];
        let app = Apps::default()
            .add("7", vec![pair("a")], AppOptions::default(), namespaces)
            .unwrap();
        let connection = ConnectionId { node: 1, number: 1 };
        let kept = |channel: &str, from: Option<ConnectionId>| {
            let channel = ChannelName::parse(channel).unwrap();
            let mut publication = Publication::message(app.number, channel, "e", "");
            publication.publisher = from.map(|connection| Publisher {
                connection,
                user: None,
            });
            app.keeps(&publication)
        };
        assert_eq!(kept("servers-x", None), Some(keep));
        assert_eq!(kept("servers-x", Some(connection)), None);
        assert_eq!(kept("all-x", Some(connection)), Some(keep));
        assert_eq!(kept("x-servers-", None), None);
    }

    #[test]
    fn an_app_is_replaced_under_its_number_and_removed_for_good() {
        let apps = Apps::default();
        let add = |id, key| apps.add(id, vec![pair(key)], AppOptions::default(), Vec::new());
        let (seven, _) = (add("7", "a").unwrap(), add("8", "x").unwrap());
        let replace = |id, keys: &[&str]| {
            let keys = keys.iter().copied().map(pair).collect();
            apps.replace(id, keys, AppOptions::default())
        };
        assert!(replace("7", &["b", "x"]).is_none(), "a key of another app");
        assert!(replace("7", &[]).is_none() && replace("9", &["b"]).is_none());
        let replaced = replace("7", &["b", "a"]).unwrap();
        assert_eq!((replaced.number, replaced.key()), (seven.number, "b"));
        assert!(Arc::ptr_eq(&replaced, &apps.by_key("a").unwrap()));
        assert!(replace("7", &["b"]).is_some() && apps.by_key("a").is_none());
        assert_eq!(apps.remove("7").unwrap().number, seven.number);
        assert!(apps.remove("7").is_none() && apps.get(seven.number).is_none());
        assert!(apps.by_id("7").is_none() && apps.by_key("b").is_none());
        assert_ne!(add("7", "b").unwrap().number, seven.number);
        assert_eq!(apps.all().len(), 2);
    }

    #[test]
    fn a_secret_does_not_print() {
        assert!(!format!("{:?}", pair("a")).contains("hidden"));
    }
}
