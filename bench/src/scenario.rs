//! What is measured, a file each.

mod connections;
mod fairness;
mod fan_out;
mod http_api;
mod many_channels;
mod messages;
mod presence;
mod saturation;
mod slow_reader;
mod small_channels;
mod store;

use crate::Plan;
use crate::report::Report;

/// Payload of a publication, in bytes.
const PAYLOAD: usize = 200;

/// Something to measure.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Plan, &mut Report) -> anyhow::Result<()>,
}

/// All of them, in the order they run.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "fan-out",
        run: fan_out::measure,
    },
    Scenario {
        name: "small-channels",
        run: small_channels::measure,
    },
    Scenario {
        name: "saturation",
        run: saturation::measure,
    },
    Scenario {
        name: "workers",
        run: saturation::workers,
    },
    Scenario {
        name: "idle",
        run: connections::idle,
    },
    Scenario {
        name: "storm",
        run: connections::storm,
    },
    Scenario {
        name: "cycles",
        run: connections::cycles,
    },
    Scenario {
        name: "presence",
        run: presence::measure,
    },
    Scenario {
        name: "http",
        run: http_api::measure,
    },
    Scenario {
        name: "many-channels",
        run: many_channels::measure,
    },
    Scenario {
        name: "fairness",
        run: fairness::measure,
    },
    Scenario {
        name: "slow-reader",
        run: slow_reader::measure,
    },
    Scenario {
        name: "messages",
        run: messages::stored,
    },
    Scenario {
        name: "group",
        run: messages::group,
    },
    Scenario {
        name: "store",
        run: store::measure,
    },
];

/// Bytes of the frame that carries a publication on this channel.
fn frame_length(channel: &str) -> usize {
    4 + format!(r#"{{"event":"tick","channel":"{channel}","data":""}}"#).len() + PAYLOAD
}
