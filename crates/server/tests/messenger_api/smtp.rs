//! A mail server of somebody else's making (`mailin`) on the loopback address, and what it received.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chinwag_backends::SmtpMailer;
use mailin::response::{NO_MAILBOX, OK};
use mailin::{Action, Handler, Response, SessionBuilder};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A mail as it arrived.
#[derive(Debug, Default, Clone)]
pub(crate) struct Received {
    pub(crate) to: String,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Received {
    /// The secret at the end of the link.
    pub(crate) fn token(&self, path: &str) -> String {
        let start = format!("https://chat.example.org/{path}/");
        let line = self.text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no link in {self:?}")).to_owned()
    }
}

pub(crate) struct MailServer {
    address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    refusing: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self::listen(listener)
    }

    /// One that comes back at an address where it was before.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        Self::listen(TcpListener::bind(address).await.unwrap())
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let refusing = Arc::new(AtomicBool::new(false));
        let refuses = refusing.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let mailbox = Mailbox {
                    mail: Received::default(),
                    bytes: Vec::new(),
                    refusing: refuses.load(Ordering::Relaxed),
                    sender: sender.clone(),
                };
                sessions.spawn(converse(socket, mailbox));
            }
        });
        Self {
            address,
            received,
            refusing,
            _tasks: tasks,
        }
    }

    pub(crate) fn mailer(&self) -> SmtpMailer {
        mailer(self.address)
    }

    /// Whether receivers are refused for good.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::Relaxed);
    }

    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(5), self.received.recv()).await;
        next.expect("a mail arrives").unwrap()
    }

    pub(crate) fn nothing(&mut self) {
        assert!(self.received.try_recv().is_err(), "a mail arrived");
    }
}

pub(crate) fn mailer(address: SocketAddr) -> SmtpMailer {
    SmtpMailer::new(&format!("smtp://{address}"), "Chinwag <chinwag@example.org>").unwrap()
}

struct Mailbox {
    mail: Received,
    bytes: Vec<u8>,
    refusing: bool,
    sender: mpsc::UnboundedSender<Received>,
}

impl Handler for Mailbox {
    fn rcpt(&mut self, to: &str) -> Response {
        to.clone_into(&mut self.mail.to);
        if self.refusing { NO_MAILBOX } else { OK }
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let text = String::from_utf8(std::mem::take(&mut self.bytes)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        head.clone_into(&mut self.mail.head);
        self.mail.text = decoded(head, body).replace("\r\n", "\n");
        let _ = self.sender.send(std::mem::take(&mut self.mail));
        OK
    }
}

fn decoded(head: &str, body: &str) -> String {
    use base64::Engine as _;
    let bytes = if head.contains("quoted-printable") {
        quoted_printable::decode(body, quoted_printable::ParseMode::Strict).unwrap()
    } else if head.contains("base64") {
        let plain: String = body.split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(plain).unwrap()
    } else {
        body.as_bytes().to_vec()
    };
    String::from_utf8(bytes).unwrap()
}

async fn converse(socket: TcpStream, mailbox: Mailbox) {
    let peer = socket.peer_addr().unwrap().ip();
    let (reading, mut writing) = socket.into_split();
    let mut reading = BufReader::new(reading);
    let builder = SessionBuilder::new("mail.example.org");
    let mut session = builder.build(peer, mailbox);
    let mut response = session.greeting();
    loop {
        if !matches!(response.action, Action::NoReply) {
            writing.write_all(&response.buffer().unwrap()).await.unwrap();
        }
        if matches!(response.action, Action::Close) {
            return;
        }
        let mut line = Vec::new();
        match reading.read_until(b'\n', &mut line).await {
            Ok(1..) => response = session.process(&line),
            _ => return,
        }
    }
}
