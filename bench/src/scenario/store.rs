//! The messenger on a large store: what reading, searching and sending cost when there are a million messages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use serde_json::Value;

use super::messages::{Person, Sender, all_send, listen, log_in, register, send, start_group};
use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::swarm::{Swarm, histogram, payload};
use crate::target::{Recipe, Subject, Target};

/// Of a hundred messages, so many are in one conversation.
const IN_ONE: usize = 85;
/// What everybody of the seeded store logs in with, and who is in its largest conversations.
const PASSWORD: &str = "chinwag demo";
const NAME: &str = "demo";

/// Requests of each kind.
const ASKED: usize = 200;
/// Conversations that something has changed in, in the second kind of synchronising.
const CHANGED: usize = 50;
/// Conversations they send into, each with another one of them.
const CONVERSATIONS: usize = 1_000;
/// Members of the large group who are connected, and messages a second in it.
const CONNECTED: usize = 100;
const RATE: u32 = 20;
/// Messages that are sent one after another.
const IN_TURN: usize = 500;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = plan.seeded.as_deref().unwrap_or(temporary.path());
    let mut recipe = plan.chinwag()?;
    if let Some(url) = &plan.database_url {
        recipe = recipe.with("CHINWAG_DATABASE_URL", url);
    }
    let data = fill(plan, &recipe, data)?;
    let began = Instant::now();
    let target = recipe.start_in(&data)?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    report.add("start on the large store", "ms", &ours(took), &[]);

    let mut demo = log_in(&target, NAME, PASSWORD)?;
    let rooms = Rooms::of(&mut demo.http)?;
    if let Some(bytes) = database_bytes(plan, &data)? {
        let each = bytes as f64 / rooms.messages_in_all(plan) as f64;
        report.add("database, a message with its index", "bytes", &ours(each), &[]);
    }
    read(&mut demo.http, &rooms, report)?;
    search(&mut demo.http, &rooms, report)?;
    members_away(&target, &mut demo, &rooms, report)?;
    in_the_large_group(plan, &target, &mut demo, &rooms, report)?;
    from_many(plan, &target, report)
}

fn ours(value: f64) -> Rounds {
    Rounds::one(Subject::Chinwag, value)
}

/// Seeds the store unless an earlier run has.
#[expect(clippy::print_stderr, reason = "what is being waited for")]
fn fill(plan: &Plan, recipe: &Recipe, data: &Path) -> anyhow::Result<std::path::PathBuf> {
    fs::create_dir_all(data).with_context(|| format!("creating {}", data.display()))?;
    let data = data.canonicalize()?;
    let mark = data.join("seeded");
    if !mark.exists() {
        eprintln!("filling a store with {} messages …", plan.messages);
        let (all, one) = (
            plan.messages.to_string(),
            (plan.messages / 100 * IN_ONE).to_string(),
        );
        recipe.do_in(&data, &["seed", "--messages", &all, "--one-conversation", &one])?;
        fs::write(mark, all)?;
    }
    Ok(data)
}

/// Bytes of the database; for PostgreSQL, if there is a `psql` to ask.
fn database_bytes(plan: &Plan, data: &Path) -> anyhow::Result<Option<u64>> {
    let Some(url) = &plan.database_url else {
        let mut bytes = 0;
        for entry in fs::read_dir(data)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().contains(".sqlite") {
                bytes += entry.metadata()?.len();
            }
        }
        return Ok(Some(bytes));
    };
    let question = "select pg_database_size(current_database())";
    let asked = Command::new("psql").args([url, "-Atc", question]).output();
    let answer = asked.ok().filter(|output| output.status.success());
    Ok(answer.and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok()))
}

/// A name that no earlier run on the same store has used.
fn unused(name: &str) -> String {
    let run = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    format!("{name}-{run}")
}

fn get(http: &mut Http, path: &str) -> anyhow::Result<Value> {
    let (status, answer) = http.ask("GET", path, "")?;
    if status != 200 {
        bail!("{path} answered {status}: {}", String::from_utf8_lossy(&answer));
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// Asks so often; how long each took.
fn timed(
    http: &mut Http,
    times: usize,
    mut path: impl FnMut(usize) -> String,
) -> anyhow::Result<Histogram<u64>> {
    let mut took = histogram();
    for number in 0..times {
        let path = path(number);
        let began = Instant::now();
        let (status, answer) = http.ask("GET", &path, "")?;
        took.saturating_record(began.elapsed().as_micros() as u64);
        if status != 200 {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
    }
    Ok(took)
}

/// What the first person of the seeded store is in.
struct Rooms {
    /// The conversation with the most messages, and how many.
    longest: (i64, u64),
    /// The group with the most members, and how many.
    largest: (i64, u64),
    all: Vec<i64>,
}

impl Rooms {
    fn of(http: &mut Http) -> anyhow::Result<Self> {
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let page = get(http, &format!("/api/v1/conversations?limit=100{next}"))?;
            for item in page["items"].as_array().context("items")? {
                let conversation = &item["conversation"];
                let number = |name: &str| conversation[name].as_u64().unwrap_or(0);
                found.push((number("id") as i64, number("last_seq"), number("member_count")));
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        let longest = found
            .iter()
            .max_by_key(|found| found.1)
            .context("conversations")?;
        let largest = found
            .iter()
            .max_by_key(|found| found.2)
            .context("conversations")?;
        Ok(Self {
            longest: (longest.0, longest.1),
            largest: (largest.0, largest.2),
            all: found.iter().map(|found| found.0).collect(),
        })
    }

    fn messages_in_all(&self, plan: &Plan) -> usize {
        plan.messages.max(self.longest.1 as usize)
    }

    /// A place somewhere in the longest conversation, another for each number.
    fn place(&self, number: usize) -> u64 {
        60 + (number as u64).wrapping_mul(2_654_435_761) % (self.longest.1 - 60)
    }
}

fn read(http: &mut Http, rooms: &Rooms, report: &mut Report) -> anyhow::Result<()> {
    let (longest, _) = rooms.longest;
    let took = timed(http, ASKED, |number| {
        let before = rooms.place(number);
        format!("/api/v1/conversations/{longest}/messages?limit=50&before={before}")
    })?;
    report.p95("a page of history", &took, &[]);
    let took = timed(http, ASKED, |_| "/api/v1/conversations?limit=50".into())?;
    report.p95("the list of conversations, 50 of them", &took, &[]);

    let mut cursor = String::new();
    loop {
        let page = get(http, &format!("/api/v1/sync?limit=200{cursor}"))?;
        cursor = format!("&cursor={}", page["cursor"].as_str().context("a cursor")?);
        if page["has_more"] != true {
            break;
        }
    }
    let took = timed(http, ASKED, |_| format!("/api/v1/sync?limit=200{cursor}"))?;
    report.p95("synchronising, nothing changed", &took, &[]);
    for &conversation in rooms.all.iter().take(CHANGED) {
        send(http, conversation, "Now it is another one.")?;
    }
    let took = timed(http, ASKED, |_| format!("/api/v1/sync?limit=200{cursor}"))?;
    let name = format!("synchronising, {CHANGED} conversations changed");
    report.p95(&name, &took, &[]);
    Ok(())
}

/// Searches for words that stand somewhere.
fn search(http: &mut Http, rooms: &Rooms, report: &mut Report) -> anyhow::Result<()> {
    let (longest, length) = rooms.longest;
    let mut words: Vec<String> = Vec::new();
    for number in 0..ASKED / 4 {
        let before = rooms.place(number * 31 + 7);
        let path = format!("/api/v1/conversations/{longest}/messages?limit=10&before={before}");
        for item in get(http, &path)?["items"]
            .as_array()
            .context("items")?
            .iter()
            .take(4)
        {
            let body = item["body"].as_str().unwrap_or_default();
            let of_body: Vec<&str> = body.split(|c: char| !c.is_alphabetic()).collect();
            let longest = of_body.iter().max_by_key(|word| word.chars().count());
            words.extend(
                longest
                    .filter(|word| !word.is_empty())
                    .map(|&word| word.to_owned()),
            );
        }
    }
    if words.len() < 2 {
        bail!("there are no words to look for");
    }
    let word = |number: usize| &words[number % words.len()];
    let inside = format!("/api/v1/conversations/{longest}/search?q=");
    let name = format!("in a conversation of {length}");
    let marks = [Aim::AtMost(150.0)];
    let took = timed(http, ASKED, |number| format!("{inside}{}", word(number)))?;
    report.p95(&format!("a word {name}"), &took, &marks);
    let took = timed(http, ASKED, |number| {
        format!("{inside}{}%20{}", word(number), word(number * 7 + 1))
    })?;
    report.p95(&format!("two words {name}"), &took, &marks);
    let took = timed(http, ASKED, |number| {
        format!("{inside}{}", word(number).chars().take(3).collect::<String>())
    })?;
    report.p95(&format!("three letters {name}"), &took, &marks);
    let took = timed(http, ASKED, |number| format!("/api/v1/search?q={}", word(number)))?;
    report.p95("a word in all conversations", &took, &[]);
    Ok(())
}

/// What a message costs in a small group and in a large one of which nobody is connected.
fn members_away(
    target: &Target,
    demo: &mut Person,
    rooms: &Rooms,
    report: &mut Report,
) -> anyhow::Result<()> {
    let other = register(target, &unused("somebody"))?;
    let small = start_group(demo, "Two", &[other.id])?;
    let (large, members) = rooms.largest;
    let mut costs = Rounds::default();
    // They take turns, and the large one stands where ratios are those to the small one.
    for _ in 0..7 {
        for (conversation, subject) in [(small, Subject::Bare), (large, Subject::Chinwag)] {
            let (_, used) = target.measured(|| {
                for _ in 0..IN_TURN {
                    send(&mut demo.http, conversation, "Is anybody there?")?;
                }
                Ok(())
            })?;
            costs.add(subject, used.as_secs_f64() * 1e6 / IN_TURN as f64);
        }
    }
    report.add(
        format!("a message to {members}, none connected; bare: to 2"),
        "µs cpu",
        &costs,
        &[Aim::Times(Subject::Bare, 1.1)],
    );
    Ok(())
}

/// Messages to a large group of which some are connected.
fn in_the_large_group(
    plan: &Plan,
    target: &Target,
    demo: &mut Person,
    rooms: &Rooms,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (group, size) = rooms.largest;
    let page = get(
        &mut demo.http,
        &format!("/api/v1/conversations/{group}/members?limit=100"),
    )?;
    let mut sessions = Vec::new();
    for member in page["items"].as_array().context("items")?.iter().take(CONNECTED) {
        let name = member["user"]["username"].as_str().context("a name")?;
        let mut person = log_in(target, name, PASSWORD)?;
        sessions.push(listen(target, &mut person)?);
    }
    let connected = sessions.len() as u64;
    let audience = Swarm::new(sessions)?;
    let (sent, used) = target.measured(|| {
        let sent = pace::at_rate(RATE, plan.round(), |_| send(&mut demo.http, group, &payload(60)))?;
        audience.wait_for(sent * connected)?;
        Ok(sent)
    })?;
    let name = format!("a message to a group of {size}, {connected} connected");
    let cost = used.as_secs_f64() * 1e6 / sent as f64;
    report.add(format!("{name}, all its deliveries"), "µs cpu", &ours(cost), &[]);
    let latencies = BTreeMap::from([(Subject::Chinwag, audience.take_latencies())]);
    report.latencies(&format!("{name}, until each has it"), &latencies, &[]);

    let sender = Mutex::new((log_in(target, NAME, PASSWORD)?.http, vec![group]));
    let name = format!("one sender in a group of {size}, {connected} connected");
    all_send(plan, report, target, &[sender], &name, (&[], &[]))
}

/// Many people send at once: into one conversation, and into a thousand.
fn from_many(plan: &Plan, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let count = usize::from(plan.senders);
    let mut people: Vec<Person> = pace::together(4, |quarter| {
        let numbers = (quarter..count).step_by(4);
        numbers
            .map(|number| register(target, &unused(&format!("sender{number}"))))
            .collect()
    })?
    .into_iter()
    .flat_map(|some: Vec<Person>| some)
    .collect();
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    let everybody = start_group(&mut people[0], "Everybody", &ids[1..])?;
    let mut own: Vec<Vec<i64>> = vec![Vec::new(); count];
    'all: for distance in 1..count / 2 {
        for one in 0..count {
            if own.iter().map(Vec::len).sum::<usize>() == CONVERSATIONS {
                break 'all;
            }
            let wish = serde_json::json!({ "kind": "direct", "user_id": ids[(one + distance) % count] });
            let opened = people[one].http.call("/api/v1/conversations", &wish)?;
            own[one].push(opened["conversation"]["id"].as_i64().context("an id")?);
        }
    }
    let mut senders: Vec<Sender> = people
        .into_iter()
        .map(|person| Mutex::new((person.http, vec![everybody])))
        .collect();
    let name = format!("{count} senders in one conversation");
    all_send(plan, report, target, &senders, &name, (&[], &[]))?;
    for (sender, own) in senders.iter_mut().zip(own) {
        sender
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .1 = own;
    }
    let name = format!("{count} senders in {CONVERSATIONS} conversations");
    let marks = (&[Aim::AtLeast(10_000.0)][..], &[Aim::AtMost(50.0)][..]);
    all_send(plan, report, target, &senders, &name, marks)
}
