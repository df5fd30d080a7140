//! A virtual board behind a socket, for programs that know a Glasgow probe: one client at a time.
//!
//! Must never happen here: a client that waits for nothing. One that comes second is told so; one
//! that is gone frees the board.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::channel::wait_readable;
use crate::error::Error;
use crate::probe::board::VirtualBoard;
use crate::probe::glasgow::{Conversation, busy};

/// How long nobody looks at the board while nobody asks.
const ATTEND_INTERVAL: Duration = Duration::from_millis(5);
/// How long a client that comes second has to say something.
const SECOND_CLIENT_LIMIT: Duration = Duration::from_secs(2);
/// How long a client may leave its answers unread.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Bytes taken from a client at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The USB numbers by which probe-rs knows a Glasgow probe.
const GLASGOW: &str = "20b7:9db1";

/// Where a board is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A unix socket.
    Unix(PathBuf),
    /// A port of this machine, reached from this machine only. 0 takes any.
    Loopback(u16),
}

impl fmt::Display for Place {
    /// The selector for `probe-rs --probe`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "{GLASGOW}:unix:{}", path.display()),
            Self::Loopback(port) => {
                write!(formatter, "{GLASGOW}:tcp:{}:{port}", Ipv4Addr::LOCALHOST)
            }
        }
    }
}

/// A socket on which a board is served. Dropping it removes a unix socket.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    place: Place,
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When the path is taken or too long, or the port is taken.
    pub fn listen(place: &Place) -> Result<Self, Error> {
        let failed = |error| Error::system(format!("listen at {place}"), error);
        let (listener, place) = match place {
            Place::Unix(path) => (Listener::Unix(bind(path).map_err(failed)?), place.clone()),
            Place::Loopback(port) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                let listener = TcpListener::bind(address).map_err(failed)?;
                let port = listener.local_addr().map_err(failed)?.port();
                (Listener::Tcp(listener), Place::Loopback(port))
            }
        };
        Ok(Self { listener, place })
    }

    /// Where it listens; the port is the real one.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Serves a board until `is_over`, which is asked every few milliseconds.
    ///
    /// # Errors
    /// When the system fails; what a client does is no error.
    pub fn serve(&self, board: &mut VirtualBoard, is_over: &dyn Fn() -> bool) -> Result<(), Error> {
        let mut client: Option<Client> = None;
        while !is_over() {
            let until = Instant::now() + ATTEND_INTERVAL;
            let listener = self.as_fd();
            let [is_calling, is_talking] = match &client {
                Some(client) => wait_readable([listener, client.stream.as_fd()], until)?,
                None => wait_readable([listener], until).map(|[is_calling]| [is_calling, false])?,
            };
            if is_calling {
                let stream = self.accept()?;
                match client {
                    None => client = Some(Client { stream, conversation: Conversation::default() }),
                    Some(_) => turn_away(stream),
                }
            }
            if is_talking
                && let Some(present) = &mut client
                && !present.talk(board)
            {
                client = None;
                // What the client held low would stay so for the next one. What fails is told then.
                drop(board.set_reset(false));
            }
            board.attend();
        }
        Ok(())
    }

    fn accept(&self) -> Result<Box<dyn Stream>, Error> {
        let failed = |error| Error::system("accept a client", error);
        Ok(match &self.listener {
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().map_err(failed)?;
                stream.set_write_timeout(Some(WRITE_LIMIT)).map_err(failed)?;
                Box::new(stream)
            }
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().map_err(failed)?;
                stream.set_write_timeout(Some(WRITE_LIMIT)).map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                Box::new(stream)
            }
        })
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Unix(listener) => listener.as_fd(),
            Listener::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Place::Unix(path) = &self.place {
            remove(path);
        }
    }
}

/// Listens at a path. A socket that nobody listens at any more is replaced.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if !UnixStream::connect(path).is_err_and(|error| refused(&error)) {
                return Err(error);
            }
            remove(path);
            UnixListener::bind(path)
        }
        other => other,
    }
}

fn remove(path: &Path) {
    // Somebody else may have removed it.
    let _ = std::fs::remove_file(path);
}

/// A connection of either kind.
trait Stream: Read + Write + AsFd + Send {
    fn limit_reads(&self, limit: Duration) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn limit_reads(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }
}

impl Stream for TcpStream {
    fn limit_reads(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }
}

struct Client {
    stream: Box<dyn Stream>,
    conversation: Conversation,
}

impl Client {
    /// Serves what has come; false when the client is gone, or talks of something else.
    fn talk(&mut self, board: &mut VirtualBoard) -> bool {
        let mut bytes = vec![0; CHUNK_BYTES];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == io::ErrorKind::Interrupted,
        };
        let bytes = bytes.get(..count).unwrap_or_default();
        match self.conversation.receive(bytes, board) {
            Ok(answer) => self.stream.write_all(&answer).is_ok(),
            Err(_) => false,
        }
    }
}

/// Tells a client that the board is taken. What it asks is read first: a connection that is closed
/// with something unread takes the answer with it.
fn turn_away(mut stream: Box<dyn Stream>) {
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        let heard = stream.limit_reads(SECOND_CLIENT_LIMIT).and_then(|()| stream.read(&mut bytes));
        if heard.is_ok_and(|count| count > 0) && stream.write_all(&busy()).is_ok() {
            // Until it has understood and gone.
            let _ = stream.read(&mut bytes);
        }
    });
}
