//! Soketi's webhooks: a list in JSON, in a variable.

use chinwag_engine::Webhook;
use chinwag_server::apps::AppSettings;
use serde_json::{Map, Value, json};

pub(super) const WEBHOOKS: &str = "SOKETI_DEFAULT_APP_WEBHOOKS";

/// What stood in the list.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) webhooks: Vec<Webhook>,
    /// Some call a function of a cloud instead of an address.
    pub(super) functions: bool,
}

/// Reads the list.
///
/// # Errors
/// What is wrong with it, without the values: headers hold secrets.
pub(super) fn webhooks(text: &str) -> Result<Listed, String> {
    let list: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|_| "a list of webhooks in JSON is wanted".to_owned())?;
    let count = list.len();
    let ours: Vec<_> = list.into_iter().filter_map(ours).collect();
    let functions = ours.len() < count;
    let fields = Map::from_iter([("webhooks".to_owned(), json!(ours))]);
    let options = AppSettings::from_fields(fields).and_then(|settings| settings.options());
    Ok(Listed {
        webhooks: options.map_err(|error| error.to_string())?.webhooks,
        functions,
    })
}

/// One of them as our settings write it, if it has an address.
fn ours(theirs: Map<String, Value>) -> Option<Map<String, Value>> {
    theirs.get("url")?;
    let filter = theirs.get("filter").and_then(Value::as_object).cloned();
    let named = |names: &'static [&'static str]| {
        move |(name, value): &(String, Value)| names.contains(&name.as_str()) && !value.is_null()
    };
    let told = theirs
        .into_iter()
        .filter(named(&["url", "event_types", "headers"]));
    let channels = named(&["channel_name_starts_with", "channel_name_ends_with"]);
    Some(
        told.chain(filter.unwrap_or_default().into_iter().filter(channels))
            .collect(),
    )
}
