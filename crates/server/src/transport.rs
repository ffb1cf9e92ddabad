//! What a WebSocket runs over: a socket in the clear, or one with TLS on it. Both are driven by readiness, so that a
//! worker writes them from its own loop.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream as StdStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A socket that belongs to no runtime, on its way from the listener's to a worker's.
pub(crate) struct Uprooted {
    stream: StdStream,
    session: Option<Box<ServerConnection>>,
}

impl Uprooted {
    /// Takes the socket out of hyper, with the bytes that were read ahead.
    pub(crate) fn from_upgrade(upgraded: Upgraded) -> io::Result<(Self, Bytes)> {
        let upgraded = match upgraded.downcast::<TokioIo<Begun>>() {
            Ok(parts) => {
                let Begun { read_ahead, stream } = parts.io.into_inner();
                let (stream, session) = (stream.into_std()?, None);
                let read_ahead = [parts.read_buf, read_ahead].concat().into();
                return Ok((Self { stream, session }, read_ahead));
            }
            Err(upgraded) => upgraded,
        };
        let parts = upgraded
            .downcast::<TokioIo<TlsStream<TcpStream>>>()
            .map_err(|_| io::Error::other("an upgraded connection is not a socket"))?;
        let (stream, session) = parts.io.into_inner().into_inner();
        let stream = stream.into_std()?;
        let session = Some(Box::new(session));
        Ok((Self { stream, session }, parts.read_buf))
    }

    /// Registers it with the runtime of this thread.
    pub(crate) fn settle(self) -> io::Result<Transport> {
        let stream = TcpStream::from_std(self.stream)?;
        Ok(match self.session {
            None => Transport::Plain(stream),
            Some(session) => Transport::Tls(Tls {
                stream,
                session,
                // Reading the head of the request may have decrypted more than the head.
                unread: true,
            }),
        })
    }
}

/// A socket in the clear, the beginning of which was read already.
pub(crate) struct Begun {
    pub read_ahead: Bytes,
    pub stream: TcpStream,
}

impl Begun {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            read_ahead: Bytes::new(),
            stream,
        }
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.read_ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.read_ahead.split_to(length));
        if self.read_ahead.is_empty() {
            // An empty rest still holds the memory of the whole.
            self.read_ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, chunks)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A connected socket of this worker. Nothing here blocks; what cannot go on is `WouldBlock`.
pub(crate) enum Transport {
    /// In the clear.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Tls),
}

/// A socket and the state of its encryption.
pub(crate) struct Tls {
    stream: TcpStream,
    session: Box<ServerConnection>,
    /// The session may hold text that was decrypted already, of which the socket gives no sign.
    unread: bool,
}

impl Transport {
    /// Reads what there is; 0 is the end. A read that does not fill the buffer is known to be the last for now, and
    /// not tried again to find that out.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Self::Tls(tls) => loop {
                if !tls.unread {
                    ready!(tls.stream.poll_read_ready(context))?;
                }
                match tls.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            },
        }
    }

    /// Whether the socket takes more.
    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.poll_write_ready(context),
            Self::Tls(tls) => tls.stream.poll_write_ready(context),
        }
    }

    /// Writes a part of `bytes`, which is not empty. 0: the socket is gone.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(bytes),
            Self::Tls(tls) => tls.try_write(&[IoSlice::new(bytes)]),
        }
    }

    /// The same for several parts, which go out together.
    pub(crate) fn try_write_vectored(&mut self, chunks: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write_vectored(chunks),
            Self::Tls(tls) => tls.try_write(chunks),
        }
    }

    /// Writes what encryption holds back: records the socket did not take, and words of TLS itself.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.send(),
        }
    }

    /// Says that nothing more will come, so that the peer can tell the end from a cut. Only an attempt.
    pub(crate) fn say_goodbye(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
            // The connection is over, whether it hears this or not.
            let _ = tls.send();
        }
    }
}

impl Tls {
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Ok(length) => {
                    self.unread = length == buffer.len();
                    return Ok(length);
                }
                Err(error) => return Err(error),
            }
            self.unread = false;
            if self.session.read_tls(&mut Socket(&self.stream))? == 0 {
                return Ok(0);
            }
            if let Err(error) = self.session.process_new_packets() {
                // The alert that says what is wrong.
                let _ = self.send();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// Encrypts no more before the last is out: so at most one write's worth of records waits in the session, and
    /// what waits for a slow reader is counted where it is for sockets in the clear.
    fn try_write(&mut self, chunks: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send()?;
        let taken = self.session.writer().write_vectored(chunks)?;
        match self.send() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(taken),
            sent => sent.map(|()| taken),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut Socket(&self.stream))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// The socket as rustls wants it.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, chunks: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(chunks)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
