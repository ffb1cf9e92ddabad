//! Mail through an SMTP server.

use chinwag_messenger::{Mail, MailError, Mailer};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// How long each step of a delivery may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// All steps of a delivery together.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Hands mails to one SMTP server, a connection for each.
#[derive(Debug)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpMailer {
    /// For the server at this address, `smtps://user:password@host:465`, or `smtp://…` in the clear or, with
    /// `?tls=required`, over TLS as soon as the server has greeted. `from` is an address, or a name with an
    /// address: `Chinwag <chinwag@example.org>`.
    ///
    /// # Errors
    /// What is wrong with them, without the address of the server, for it holds a password.
    pub fn new(url: &str, from: &str) -> Result<Self, &'static str> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "the address of the mail server is wrong")?
            .timeout(Some(TIMEOUT))
            .build();
        let from = from.parse().map_err(|_| "the sender of mails is no address")?;
        Ok(Self { transport, from })
    }
}

#[async_trait::async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let to = mail
            .to
            .parse::<lettre::Address>()
            .map_err(|_| MailError::Never("the receiver is no address".to_owned()))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject.clone())
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| MailError::Never(error.to_string()))?;
        match tokio::time::timeout(DELIVERY_TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(MailError::Later("the mail server took too long".to_owned())),
        }
    }
}

/// What the server said may repeat the receiver's address, so only its code is told.
fn failure(error: &SmtpError) -> MailError {
    let text = match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None => "the mail server cannot be reached".to_owned(),
    };
    if error.is_permanent() {
        MailError::Never(text)
    } else {
        MailError::Later(text)
    }
}
