//! Codes and texts of refusals. Nobody else knows a code.

use crate::Close;

/// A refusal on an open connection: the `pusher:error` event, after which the connection goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code, or null.
    pub code: Option<u16>,
    /// For people.
    pub message: String,
}

impl From<Close> for Refusal {
    fn from(close: Close) -> Self {
        Self::new(close.code, close.reason)
    }
}

impl Refusal {
    fn new(code: u16, message: &str) -> Self {
        Self {
            code: Some(code),
            message: message.to_owned(),
        }
    }

    pub(super) fn malformed() -> Self {
        Self::new(4200, "Invalid message format")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(4009, "Connection is unauthorized")
    }

    pub(super) fn other_member() -> Self {
        Self::new(4009, "This connection is on the channel as another user")
    }

    pub(super) fn client_events_off() -> Self {
        Self::new(4301, "The app does not have client messaging enabled.")
    }

    pub(super) fn not_subscribed() -> Self {
        Self::new(4009, "The client is not a member of the specified channel.")
    }

    pub(super) fn client_event_on_public() -> Self {
        Self::new(
            4301,
            "Client events are only allowed on private and presence channels",
        )
    }

    pub(super) fn message_rate() -> Self {
        Self::new(4301, "Rate limit exceeded")
    }

    pub(super) fn client_event_rate() -> Self {
        Self::new(4301, "Client event rejected due to rate limit")
    }

    pub(super) fn event_name_too_long(limit: usize) -> Self {
        Self::new(
            4301,
            &format!("The event name exceeds the allowed maximum ({limit} characters)"),
        )
    }

    pub(super) fn event_too_large(limit: usize, size: usize) -> Self {
        let text = format!(
            "The data content of this event exceeds the allowed maximum ({limit} bytes): {size} bytes"
        );
        Self::new(4301, &text)
    }

    pub(super) fn not_a_client_event() -> Self {
        let text = "Client events must have names that begin with client-";
        Self {
            code: None,
            message: text.to_owned(),
        }
    }

    pub(super) fn signin_refused() -> Self {
        Self::new(4009, "Connection not authorized for signin.")
    }

    pub(super) fn other_user() -> Self {
        Self::new(4009, "Connection is already signed in as another user")
    }

    pub(super) fn watchlist_too_long(limit: usize, accepted: &str) -> Self {
        Self::new(
            4302,
            &format!("The watchlist exceeds the allowed maximum ({limit}); accepted: {accepted}"),
        )
    }

    pub(super) fn busy() -> Self {
        Self::new(4301, "The server is busy; the event was not published")
    }
}

/// A refused subscription: `pusher:error`, then `pusher:subscription_error`, by which laravel-echo learns of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubscriptionRefusal {
    pub refusal: Refusal,
    pub kind: &'static str,
    pub status: u16,
}

impl SubscriptionRefusal {
    pub(super) fn bad_name(text: &str) -> Self {
        let refusal = Refusal {
            code: None,
            message: text.to_owned(),
        };
        Self {
            refusal,
            kind: "AuthError",
            status: 4009,
        }
    }

    pub(super) fn unauthorized() -> Self {
        Self {
            refusal: Refusal::unauthorized(),
            kind: "AuthError",
            status: 401,
        }
    }

    pub(super) fn bad_member(text: &str) -> Self {
        Self {
            refusal: Refusal::new(4009, text),
            kind: "AuthError",
            status: 401,
        }
    }

    pub(super) fn member_too_large(limit: usize, size: usize) -> Self {
        let text = format!("The member data exceeds the allowed maximum ({limit} bytes): {size} bytes");
        Self {
            refusal: Refusal::new(4301, &text),
            kind: "LimitReached",
            status: 4301,
        }
    }

    pub(super) fn channel_full() -> Self {
        let text = "The maximum members per presence channel limit was reached";
        Self::limit(text.to_owned())
    }

    pub(super) fn too_many_subscriptions(limit: usize) -> Self {
        Self::limit(format!(
            "The maximum of {limit} subscriptions per connection was reached"
        ))
    }

    fn limit(message: String) -> Self {
        Self {
            refusal: Refusal { code: None, message },
            kind: "LimitReached",
            status: 4100,
        }
    }
}

/// Reasons to close. 40xx is for ever to a client, 4100 lets it come back after a second, 42xx at once.
pub(super) const UNKNOWN_APP: Close = Close {
    code: 4001,
    reason: "Application does not exist",
};
pub(super) const APP_DISABLED: Close = Close {
    code: 4003,
    reason: "Application disabled",
};
pub(super) const OVER_QUOTA: Close = Close {
    code: 4004,
    reason: "Application is over connection quota",
};
pub(super) const BAD_PROTOCOL: Close = Close {
    code: 4007,
    reason: "Unsupported protocol version",
};
pub(super) const BAD_ORIGIN: Close = Close {
    code: 4009,
    reason: "Origin not allowed",
};
pub(super) const NODE_FULL: Close = Close {
    code: 4100,
    reason: "Over capacity",
};
pub(super) const TOO_MUCH_GARBAGE: Close = Close {
    code: 4100,
    reason: "Too many malformed messages",
};
pub(super) const TOO_MANY_MESSAGES: Close = Close {
    code: 4100,
    reason: "Rate limit exceeded",
};
pub(super) const OVERTAKEN: Close = Close {
    code: 4100,
    reason: "Subscription took too long",
};
pub(super) const UNAVAILABLE: Close = Close {
    code: 4100,
    reason: "Temporarily unavailable",
};
pub(super) const STOPPING: Close = Close {
    code: 4100,
    reason: "Server is restarting",
};
pub(super) const RENEWED: Close = Close {
    code: 4200,
    reason: "Connect again: your channels have changed",
};
pub(super) const NO_PONG: Close = Close {
    code: 4201,
    reason: "Pong reply not received",
};
pub(super) const NOBODY: Close = Close {
    code: 4009,
    reason: "Connection not authorized within timeout.",
};
pub(super) const DISCONNECTED: Close = Close {
    code: 4009,
    reason: "You got disconnected by the app.",
};
