//! Plays the transcripts under `transcripts/` against the bare machines.
//!
//! Each line is one thing that happens: `>` a frame comes in (`>bin`, `>ping` for other than text), `<` this frame
//! goes out, `?` this call is asked, `=` this answer is given, `!` this is delivered, `+` so many milliseconds pass
//! and the machine is woken if it wanted to be, `x` the connection closes with this code. `open` begins a connection,
//! with a query, an origin or a flag. `disconnect`, `close-app` and `stop` are orders from outside. `#` is a comment.
//! What goes out and is not in the transcript is a failure, as is what is in it and does not go out.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use chinwag_engine::{
    Answer, App, AppOptions, Apps, Call, ChannelName, ClientEvents, ConnectionId, Content, Delivery, History,
    KeyPair, Member, MessageRate, Pings, Position, Publication, Publisher, Roster, Secret, SubscribeRefused,
    Subscribed, UserId,
};
use chinwag_protocol::pusher::auth::sign_user;
use chinwag_protocol::pusher::{Handshake, Pusher};
use chinwag_protocol::{Connection, Effect, Input};
use serde_json::Value;

fn app(set: &[(String, String)]) -> Arc<App> {
    let mut options = AppOptions::default();
    for (name, value) in set {
        let number = || {
            value
                .parse::<usize>()
                .unwrap_or_else(|_| panic!("{name} wants a number"))
        };
        match name.as_str() {
            "enabled" => options.enabled = value == "true",
            "origins" => options.allowed_origins = value.split(',').map(str::to_owned).collect(),
            "client_events" => {
                options.client_events = match value.as_str() {
                    "refused" => ClientEvents::Refused,
                    "public" => ClientEvents::MembersAndPublic,
                    "anybody" => ClientEvents::Anybody,
                    _ => ClientEvents::Members,
                }
            }
            "client_events_per_s" => options.client_events_per_s = number() as u32,
            "event_bytes_max" => options.event_bytes_max = number(),
            "pings" => {
                options.pings = match value.as_str() {
                    "messages" => Pings::Messages,
                    _ => Pings::Frames,
                }
            }
            "lenient_names" => options.lenient_names = value == "true",
            "messages_per_s" | "messages_per_s_or_close" => {
                options.message_rate = Some(MessageRate {
                    max: number() as u32,
                    window_ms: 1_000,
                    closes: name.ends_with("close"),
                });
            }
            "watchlists" => options.watchlists = value == "true",
            "user_authentication_timeout_ms" => options.user_authentication_timeout_ms = number() as u64,
            "disconnect_by_presence" => options.disconnect_by_presence = value == "true",
            "subscriptions_max" => options.subscriptions_max = number(),
            "presence_member_bytes_max" => options.presence_member_bytes_max = number(),
            other => panic!("no option {other}"),
        }
    }
    let pair = KeyPair {
        key: "chinwag-key".to_owned(),
        secret: Secret::new("chinwag-secret"),
    };
    Apps::default()
        .add("100200", vec![pair], options, Vec::new())
        .expect("added")
}

struct Player {
    options: Vec<(String, String)>,
    app: Arc<App>,
    machine: Option<Pusher>,
    now: u64,
    out: VecDeque<String>,
    asked: Option<ChannelName>,
    socket: String,
}

impl Player {
    fn input(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.machine
            .as_mut()
            .expect("opened")
            .input(self.now, input, &mut effects);
        for effect in effects {
            let line = match effect {
                Effect::Send(frame) if frame.is_text() => {
                    format!(
                        "< {}",
                        std::str::from_utf8(&frame.payload()).expect("text frames are UTF-8")
                    )
                }
                Effect::Send(_) => "< ping".to_owned(),
                Effect::Close(close) => format!("x {} {}", close.code, close.reason),
                Effect::Call(call) => format!("? {}", self.called(call)),
            };
            self.out.push_back(line);
        }
    }

    fn called(&mut self, call: Call) -> String {
        match call {
            Call::Subscribe {
                channel,
                member,
                beginning,
            } => {
                self.asked = Some(channel.clone());
                let mut line = format!("subscribe {channel}");
                if let Some(member) = member {
                    let info = member.info.as_deref().unwrap_or("-");
                    line += &format!(" as {} {info}", member.user.0);
                } else if beginning.roster {
                    line += " with roster";
                }
                if beginning.recent > 0 {
                    line += &format!(" with last {}", beginning.recent);
                }
                line
            }
            Call::Unsubscribe { channel } => format!("unsubscribe {channel}"),
            Call::Publish(publication) => {
                let Content::Message { event, data } = publication.content else {
                    panic!("clients publish messages")
                };
                let publisher = publication.publisher.expect("clients are publishers");
                assert_eq!(
                    publication.except,
                    Some(publisher.connection),
                    "never back to its sender"
                );
                let user = publisher
                    .user
                    .map(|user| format!(" by {}", user.0))
                    .unwrap_or_default();
                let data = String::from_utf8(data.to_vec()).expect("text");
                format!(
                    "publish {} {}{user} {data}",
                    publication.channel,
                    event.expect("a name")
                )
            }
        }
    }

    fn answer(&mut self, text: &str) -> Answer {
        let channel = self.asked.clone().expect("a subscription was asked for");
        let mut words = text.splitn(3, ' ');
        match words.next() {
            Some("subscribed") => {
                let roster = words.next().map(|version| Roster {
                    version: version.parse().expect("a version"),
                    members: serde_json::from_str::<Vec<(String, Value)>>(words.next().expect("members"))
                        .expect("a list of pairs")
                        .into_iter()
                        .map(|(id, info)| member(&id, &info))
                        .collect(),
                });
                Answer::Subscribed(Subscribed {
                    channel,
                    roster,
                    history: None,
                })
            }
            // An offset and what stands there, `name@ data`; or nothing.
            Some("kept") => {
                let top = Position {
                    epoch: 1,
                    offset: words
                        .next()
                        .map_or(0, |offset| offset.parse().expect("an offset")),
                };
                let kept = words.next().map(|said| {
                    let (name, data) = said.split_once("@ ").expect("name@ data");
                    let data = data.to_owned();
                    let publication = Publication::message(self.app.number, channel.clone(), name, data);
                    (top.offset, publication)
                });
                // A presence channel's roster is asked for together with it.
                let roster = channel.as_str().starts_with("presence-").then(|| Roster {
                    members: vec![member("u-1", &Value::Null)],
                    version: 1,
                });
                Answer::Subscribed(Subscribed {
                    channel,
                    roster,
                    history: Some(History {
                        publications: kept.into_iter().collect(),
                        top,
                        complete: true,
                        ttl_ms: 1_000,
                    }),
                })
            }
            Some("full") => Answer::SubscribeRefused {
                channel,
                why: SubscribeRefused::ChannelFull,
            },
            Some("unavailable") => Answer::SubscribeRefused {
                channel,
                why: SubscribeRefused::Unavailable("away".to_owned()),
            },
            Some("busy") => Answer::PublishRefused,
            _ => panic!("no such answer: {text}"),
        }
    }

    fn delivery(&self, text: &str) -> Arc<Delivery> {
        // `at 7 message …` has an offset.
        let (position, text) = match text.strip_prefix("at ").and_then(|text| text.split_once(' ')) {
            Some((offset, rest)) => {
                let offset = offset.parse().expect("an offset");
                (Some(Position { epoch: 1, offset }), rest)
            }
            None => (None, text),
        };
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().expect("enough words");
        let (what, channel) = (word(), ChannelName::parse(word()).expect("a name"));
        let (mut publisher, app) = (None, self.app.number);
        let content = match what {
            "joined" => {
                let version = word().parse().expect("a version");
                let (id, info): (String, Value) = serde_json::from_str(word()).expect("a pair");
                Content::Joined {
                    member: member(&id, &info),
                    version,
                }
            }
            "subscribers" => Content::Subscribers {
                count: word().parse().expect("a number"),
            },
            "left" => {
                let version = word().parse().expect("a version");
                Content::Left {
                    user: UserId(word().into()),
                    version,
                }
            }
            "message" => {
                let (event, by) = match word().split_once('@') {
                    Some((event, by)) => (event.to_owned(), Some(by.to_owned())),
                    None => panic!("name@ or name@user"),
                };
                let user = by
                    .filter(|by| !by.is_empty())
                    .map(|by| UserId(by.as_str().into()));
                publisher = Some(Publisher {
                    connection: ConnectionId { node: 9, number: 9 },
                    user,
                });
                Content::Message {
                    event: Some(event.as_str().into()),
                    data: word().to_owned().into(),
                }
            }
            other => panic!("no delivery {other}"),
        };
        Delivery::new(
            Publication {
                app,
                channel,
                content,
                publisher,
                except: None,
            },
            position,
        )
    }

    /// Puts the right signature where a sign-in says `$user`.
    fn with_signature(&self, text: &str) -> String {
        if !text.contains("$user") {
            return text.to_owned();
        }
        let frame: Value = serde_json::from_str(text).expect("JSON");
        let data = frame["data"]["user_data"].as_str().unwrap_or_default();
        let pair = &self.app.keys[0];
        let auth = sign_user(&pair.key, &pair.secret, &self.socket, data);
        text.replace("$user", &auth)
    }

    fn step(&mut self, line: &str) {
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        match sign {
            "set" => {
                let (name, value) = rest.split_once(' ').expect("a name and a value");
                self.options.push((name.to_owned(), value.to_owned()));
            }
            "open" => {
                self.app = app(&self.options);
                let find = |name: &str| rest.split(' ').find_map(|word| word.strip_prefix(name));
                let handshake = Handshake {
                    query: find("query=").unwrap_or("protocol=7"),
                    origin: find("origin="),
                    over_quota: rest.contains("over-quota"),
                    node_full: rest.contains("node-full"),
                };
                let app = (!rest.contains("unknown-app")).then(|| self.app.clone());
                let id = find("socket=").unwrap_or("1234.1234");
                self.socket = id.to_owned();
                let id: ConnectionId = id.parse().expect("an id");
                self.machine = Some(Pusher::new(id, app, &handshake, self.now));
                self.input(Input::Opened);
            }
            ">" => {
                let text = self.with_signature(rest);
                self.input(Input::Text(&text));
            }
            ">bin" => self.input(Input::Binary(rest.as_bytes())),
            ">ping" => self.input(Input::Control),
            "=" => {
                let answer = self.answer(rest);
                self.input(Input::Answer(answer));
            }
            "!" => {
                let delivery = self.delivery(rest);
                self.input(Input::Delivery(&delivery, &delivery.publication.channel));
            }
            "+" => {
                self.now += rest.parse::<u64>().expect("milliseconds");
                if self.machine.as_ref().expect("opened").wake_at() <= self.now {
                    self.input(Input::Wake);
                }
            }
            "repeat" => {
                let (times, line) = rest.split_once(' ').expect("a number and a line");
                for _ in 0..times.parse::<usize>().expect("a number") {
                    self.step(line);
                }
            }
            "disconnect" if !rest.is_empty() => self.input(Input::DisconnectUser(&UserId(rest.into()))),
            "disconnect" => self.input(Input::Disconnect),
            "close-app" => self.input(Input::AppClosed),
            "stop" => self.input(Input::Stop),
            "<" | "?" | "x" => {
                let got = self.out.pop_front().unwrap_or_else(|| "nothing".to_owned());
                assert_eq!(got, line);
            }
            "skip" => {
                self.out.clear();
            }
            other => panic!("no such line: {other}"),
        }
    }
}

fn member(id: &str, info: &Value) -> Member {
    Member {
        user: UserId(id.into()),
        info: (!info.is_null()).then(|| info.to_string().into()),
    }
}

fn play(path: &Path) {
    let text = fs::read_to_string(path).expect("readable");
    let mut player = Player {
        options: Vec::new(),
        app: app(&[]),
        machine: None,
        now: 1_000_000,
        out: VecDeque::new(),
        asked: None,
        socket: String::new(),
    };
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}:{}: {line}", path.display(), number + 1);
        let silent = !["<", "?", "x", "skip"].contains(&line.split(' ').next().unwrap_or_default());
        assert!(
            !silent || player.out.is_empty(),
            "{place}\nbefore it, this went out: {:?}",
            player.out
        );
        let step = std::panic::AssertUnwindSafe(|| player.step(line));
        std::panic::catch_unwind(step).unwrap_or_else(|_| panic!("at {place}"));
    }
    assert!(
        player.out.is_empty(),
        "{}: at the end, this went out: {:?}",
        path.display(),
        player.out
    );
}

#[test]
fn pusher_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts/pusher");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        play(&path);
    }
}
