//! Whatever a client sends, in whatever order: the machine of its connection does not panic, says no more than it was
//! told to, keeps the rules of the wire, and lets nobody onto a channel without the signature for it.
//!
//! An input is a session in the form of the transcripts, read without complaint: lines that make no sense count for
//! nothing, and what is expected (`<`, `?`, `x`) is passed over. `$auth` stands for the right signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use chinwag_engine::{
    Answer, App, AppOptions, Apps, Call, ChannelName, ClientEvents, ConnectionId, Content, Delivery, History,
    KeyPair, Member, MessageRate, Pings, Position, Publication, Publisher, Roster, Secret, SubscribeRefused,
    Subscribed, UserId,
};
use chinwag_protocol::pusher::{Handshake, Kind, Pusher, auth};
use chinwag_protocol::{Connection, Effect, Input};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// An answer is at most so many times as long as what it answers: names are told twice and escaped twice.
const GROWTH_MAX: usize = 24;
/// And so much longer: the words around it.
const WORDS_MAX: usize = 4_096;
/// Sessions with more lines are cut off here.
const LINES_MAX: usize = 512;

/// Plays one session.
pub(crate) fn check(input: &[u8]) {
    let mut session = Session::new();
    for line in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        if !session.line(line) {
            return;
        }
    }
    session.settle("");
}

struct Session {
    options: AppOptions,
    app: Arc<App>,
    machine: Pusher,
    socket: ConnectionId,
    now: u64,
    /// What it asked for and has not been answered.
    asked: Option<(ChannelName, Option<Member>, usize)>,
    /// The last text it was sent, in which a signature must be found.
    said: String,
    /// Bytes of deliveries that may be held back.
    held: usize,
    closed: bool,
}

fn app(options: AppOptions) -> Arc<App> {
    let pair = KeyPair {
        key: "chinwag-key".to_owned(),
        secret: Secret::new("chinwag-secret"),
    };
    let added = Apps::default().add("100200", vec![pair], options, Vec::new());
    added.expect("the first app is added")
}

impl Session {
    fn new() -> Self {
        let options = AppOptions::default();
        let (app, socket) = (app(options.clone()), "1234.1234".parse().expect("an id"));
        let mut session = Self {
            options,
            machine: Pusher::new(socket, None, &Handshake::default(), 0),
            app,
            socket,
            now: 1_000_000,
            asked: None,
            said: String::new(),
            held: 0,
            closed: false,
        };
        session.open("");
        session
    }

    /// Opens the connection anew.
    fn open(&mut self, how: &str) {
        self.app = app(self.options.clone());
        let find = |name: &str| how.split(' ').find_map(|word| word.strip_prefix(name));
        let handshake = Handshake {
            query: find("query=").unwrap_or("protocol=7"),
            origin: find("origin="),
            over_quota: how.contains("over-quota"),
            node_full: how.contains("node-full"),
        };
        if let Some(socket) = find("socket=").and_then(|text| text.parse().ok()) {
            self.socket = socket;
        }
        let app = (!how.contains("unknown-app")).then(|| self.app.clone());
        self.machine = Pusher::new(self.socket, app, &handshake, self.now);
        (self.asked, self.held, self.closed) = (None, 0, false);
        self.input(Input::Opened, how.len());
    }

    /// Plays a line. `false` when the session is over.
    fn line(&mut self, line: &[u8]) -> bool {
        if let Some(bytes) = line.strip_prefix(b">bin") {
            self.settle("");
            self.input(Input::Binary(bytes), 0);
            return true;
        }
        // Sockets hand on no text that is not UTF-8.
        let Ok(line) = std::str::from_utf8(line) else {
            return true;
        };
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        match sign {
            "set" => self.set(rest),
            "open" => self.open(rest),
            ">" => {
                self.settle("");
                let text = self.signed(rest);
                self.said.clone_from(&text);
                self.input(Input::Text(&text), text.len());
            }
            ">ping" => {
                self.settle("");
                self.input(Input::Control, 0);
            }
            "=" => self.settle(rest),
            "!" => {
                if let Some(delivery) = self.delivery(rest) {
                    self.held += rest.len() + WORDS_MAX;
                    self.input(
                        Input::Delivery(&delivery, &delivery.publication.channel),
                        rest.len(),
                    );
                }
            }
            "+" => {
                self.settle("");
                self.now += rest.parse::<u64>().unwrap_or(0).min(10_000_000);
                if !self.closed && self.machine.wake_at() <= self.now {
                    self.input(Input::Wake, 0);
                    assert!(
                        self.closed || self.machine.wake_at() > self.now,
                        "it wants to be woken for ever"
                    );
                }
            }
            "disconnect" if !rest.is_empty() => {
                self.input(Input::DisconnectUser(&UserId(rest.into())), 0);
            }
            "disconnect" => self.input(Input::Disconnect, 0),
            "close-app" => self.input(Input::AppClosed, 0),
            "stop" => self.input(Input::Stop, 0),
            _ => {}
        }
        true
    }

    fn set(&mut self, option: &str) {
        let Some((name, value)) = option.split_once(' ') else {
            return;
        };
        let options = &mut self.options;
        match (name, value.parse::<usize>()) {
            ("lenient_names", _) => options.lenient_names = value == "true",
            ("watchlists", _) => options.watchlists = value == "true",
            ("disconnect_by_presence", _) => options.disconnect_by_presence = value == "true",
            ("client_events", _) => {
                options.client_events = match value {
                    "refused" => ClientEvents::Refused,
                    "public" => ClientEvents::MembersAndPublic,
                    "anybody" => ClientEvents::Anybody,
                    _ => ClientEvents::Members,
                }
            }
            ("pings", _) => {
                options.pings = match value {
                    "messages" => Pings::Messages,
                    _ => Pings::Frames,
                }
            }
            ("origins", _) => options.allowed_origins = value.split(',').map(str::to_owned).collect(),
            ("client_events_per_s", Ok(number)) => options.client_events_per_s = number as u32,
            ("event_bytes_max", Ok(number)) => options.event_bytes_max = number,
            ("subscriptions_max", Ok(number)) => options.subscriptions_max = number,
            ("presence_member_bytes_max", Ok(number)) => options.presence_member_bytes_max = number,
            ("user_authentication_timeout_ms", Ok(number)) => {
                options.user_authentication_timeout_ms = (number as u64).min(1_000_000);
            }
            ("messages_per_s_or_close", Ok(number)) => {
                options.message_rate = Some(MessageRate {
                    max: number as u32,
                    window_ms: 1_000,
                    closes: true,
                });
            }
            _ => {}
        }
    }

    /// The text with the signatures that it asks for.
    fn signed(&self, text: &str) -> String {
        if !text.contains("$auth") && !text.contains("$user") {
            return text.to_owned();
        }
        let data = data_of(text);
        let (pair, socket) = (&self.app.keys[0], self.socket.to_string());
        let channel = data.channel.unwrap_or_default();
        let channel_data = data.channel_data.as_deref();
        let subscribing = auth::sign_channel(&pair.key, &pair.secret, &socket, &channel, channel_data);
        let user_data = data.user_data.unwrap_or_default();
        let signing_in = auth::sign_user(&pair.key, &pair.secret, &socket, &user_data);
        text.replacen("$auth", &subscribing, 1)
            .replacen("$user", &signing_in, 1)
    }

    /// Gives the machine an input and looks at what comes of it. `length` is what the input itself weighs.
    fn input(&mut self, input: Input<'_>, length: usize) {
        if self.closed {
            return;
        }
        let mut effects = Vec::new();
        self.machine.input(self.now, input, &mut effects);
        let mut bytes = 0;
        for effect in effects {
            assert!(!self.closed, "nothing follows a close");
            match effect {
                Effect::Send(frame) => {
                    bytes += frame.payload().len();
                    if frame.is_text() {
                        look_at(&frame.payload());
                    }
                }
                Effect::Close(close) => {
                    // Clients take 43xx for the end of all things (pusher.md 4.1).
                    assert!(!(4_300..4_400).contains(&close.code), "{close:?}");
                    assert!(close.reason.len() <= 123, "{close:?}");
                    self.closed = true;
                }
                Effect::Call(call) => self.called(call),
            }
        }
        let most = GROWTH_MAX * (length + self.held) + WORDS_MAX;
        assert!(bytes <= most, "{bytes} bytes came of {length}");
    }

    fn called(&mut self, call: Call) {
        match call {
            Call::Subscribe {
                channel,
                member,
                beginning,
            } => {
                assert!(self.asked.is_none(), "it asks for one thing at a time");
                self.may(channel.as_str(), member.as_ref());
                self.asked = Some((channel, member, beginning.recent));
            }
            Call::Unsubscribe { .. } => {}
            Call::Publish(publication) => {
                let Content::Message { event, data } = &publication.content else {
                    panic!("clients publish messages");
                };
                let name = event.as_deref().expect("with a name");
                assert!(name.starts_with("client-"), "{name}");
                assert!(data.len() <= self.app.options.event_bytes_max);
                assert_eq!(publication.except, Some(self.socket), "never back to its sender");
            }
        }
    }

    /// Refuses to believe that the machine may ask for this channel, unless the frame held a signature for it.
    fn may(&self, channel: &str, member: Option<&Member>) {
        let data = data_of(&self.said);
        let channel_data = data.channel_data.as_deref();
        let given = data.auth.unwrap_or_default();
        let (pair, socket) = (&self.app.keys[0], self.socket.to_string());
        if channel.starts_with('#') {
            // Asked for by signing in only, and by whom follows from that.
            return;
        }
        let kind = Kind::of(channel);
        if kind.needs_auth {
            let right = auth::sign_channel(&pair.key, &pair.secret, &socket, channel, channel_data);
            assert!(
                given.eq_ignore_ascii_case(&right),
                "{channel} without its signature: {}",
                self.said
            );
        }
        assert_eq!(kind.presence, member.is_some(), "{channel}");
        if let (Some(member), Some(text)) = (member, channel_data) {
            let signed: Value = serde_json::from_str(text).unwrap_or_default();
            let id = match &signed["user_id"] {
                Value::String(id) => id.clone(),
                other => other.to_string(),
            };
            // Numbers too large for this reader it tells otherwise.
            assert!(*id == *member.user.0 || !signed["user_id"].is_string(), "{text}");
        }
    }

    /// Answers what was asked.
    fn settle(&mut self, how: &str) {
        while let Some((channel, member, recent)) = self.asked.take() {
            let answer = match how.split(' ').next().unwrap_or_default() {
                "full" => Answer::SubscribeRefused {
                    channel,
                    why: SubscribeRefused::ChannelFull,
                },
                "unavailable" => Answer::SubscribeRefused {
                    channel,
                    why: SubscribeRefused::Unavailable(String::new()),
                },
                _ => {
                    let roster = member.map(|member| Roster {
                        members: vec![member],
                        version: 1,
                    });
                    let history = (recent > 0).then(|| self.history(&channel, how));
                    Answer::Subscribed(Subscribed {
                        channel,
                        roster,
                        history,
                    })
                }
            };
            let length = self.said.len() + how.len();
            self.input(Input::Answer(answer), length);
            self.held = 0;
        }
        if how == "busy" {
            self.input(Input::Answer(Answer::PublishRefused), 0);
        }
    }

    fn history(&self, channel: &ChannelName, kept: &str) -> History {
        let kept = kept.strip_prefix("kept ").unwrap_or_default();
        let (offset, said) = kept.split_once(' ').unwrap_or((kept, ""));
        let offset = offset.parse().unwrap_or(0);
        let publication = said.split_once("@ ").map(|(name, data)| {
            let data = data.to_owned();
            (
                offset,
                Publication::message(self.app.number, channel.clone(), name, data),
            )
        });
        History {
            publications: publication.into_iter().collect(),
            top: Position { epoch: 1, offset },
            complete: true,
            ttl_ms: 1_000,
        }
    }

    fn delivery(&self, text: &str) -> Option<Arc<Delivery>> {
        let (position, text) = match text.strip_prefix("at ").and_then(|text| text.split_once(' ')) {
            Some((offset, rest)) => {
                let offset = offset.parse().ok()?;
                (Some(Position { epoch: 1, offset }), rest)
            }
            None => (None, text),
        };
        let mut words = text.splitn(4, ' ');
        let (what, channel) = (words.next()?, ChannelName::parse(words.next()?).ok()?);
        let (third, fourth) = (words.next()?, words.next());
        let user = |id: &str| UserId(id.into());
        let content = match what {
            "joined" => Content::Joined {
                member: Member {
                    user: user(fourth?),
                    info: None,
                },
                version: third.parse().ok()?,
            },
            "left" => Content::Left {
                user: user(fourth?),
                version: third.parse().ok()?,
            },
            "subscribers" => Content::Subscribers {
                count: third.parse().ok()?,
            },
            _ => Content::Message {
                event: Some(third.split('@').next()?.into()),
                data: fourth?.to_owned().into(),
            },
        };
        let publication = Publication {
            app: self.app.number,
            channel,
            content,
            publisher: Some(Publisher {
                connection: ConnectionId { node: 9, number: 9 },
                user: third.split_once('@').map(|(_, id)| user(id)),
            }),
            except: None,
        };
        Some(Delivery::new(publication, position))
    }
}

/// What a frame says of channels and signatures.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    channel: Option<String>,
    auth: Option<String>,
    channel_data: Option<String>,
    user_data: Option<String>,
}

/// The data of a frame, which may be an object or a text that holds one.
fn data_of(text: &str) -> Said {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let Ok(Message { data }) = serde_json::from_str(text) else {
        return Said::default();
    };
    match serde_json::from_str::<String>(data.get()) {
        Ok(inner) => serde_json::from_str(&inner).unwrap_or_default(),
        Err(_) => serde_json::from_str(data.get()).unwrap_or_default(),
    }
}

/// Every frame of ours is an object with an event, or clients throw; and its data has the type that all of them read
/// (pusher.md 5.1).
fn look_at(payload: &[u8]) {
    let frame: Value = serde_json::from_slice(payload).expect("what goes out is JSON");
    let event = frame["event"].as_str().expect("with an event");
    let is_object = ["pusher:error", "pusher:signin_success"].contains(&event) && !frame["data"].is_string();
    assert!(is_object != frame["data"].is_string(), "{frame}");
    if event == "pusher_internal:subscription_succeeded" {
        let data = frame["data"].as_str().expect("a text");
        let data: BTreeMap<String, IgnoredAny> = serde_json::from_str(data).expect("which holds an object");
        assert!(data.len() <= 1, "{frame}");
    }
}
