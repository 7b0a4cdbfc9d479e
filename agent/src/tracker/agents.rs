//! The tracker's end of an agent's standing connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::members::Refusal;
use super::run::AgentConn;
use super::shared::Shared;
use super::waiting;
use crate::blamed::chain;
use crate::channel::{
    LineError, LineReader, SWITCHING, ToAgent, ToTracker, ToWaiting, Wait, encode,
};

/// Speaks with an agent whose HTTP request was read, until its connection ends. `rest` is what
/// came after the request.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, rest: Vec<u8>, from: IpAddr) {
    // Reports are small and must not wait for each other's acknowledgement.
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let mut lines = LineReader::new(read, rest, LONGEST_LINE);
    if !send(&mut write, SWITCHING.as_bytes()).await {
        return;
    }
    match greet(&shared, &mut lines, from).await {
        Ok(Guest::Waits(wait)) => {
            if let Err(error) = waiting::serve(&shared, &mut lines, &mut write, &wait, from).await {
                let why = chain(&error);
                shared.log.line(format_args!("{:?} may not wait from {from}: {why}", wait.host));
                send(&mut write, &encode(&ToWaiting::Refused { why })).await;
            }
            finish(&mut lines, &mut write).await;
        }
        Ok(Guest::Member(conn, mail, who)) => {
            shared.log.line(format_args!("{who} came from {from}"));
            let end = talk(&shared, conn, mail, &mut lines, &mut write).await;
            shared.leave(conn);
            shared.log.line(format_args!("{who} left: {end}"));
        }
        Err(error) => {
            let why = chain(&error);
            shared.log.line(format_args!("an agent from {from} was refused: {why}"));
            send(&mut write, &encode(&ToAgent::Refused { why })).await;
            finish(&mut lines, &mut write).await;
        }
    }
}

/// Who came.
enum Guest {
    /// A member of a swarm, which was let in.
    Member(AgentConn, mpsc::Receiver<ToAgent>, String),
    /// One that wants to wait for jobs.
    Waits(Wait),
}

async fn greet(
    shared: &Shared,
    lines: &mut LineReader<OwnedReadHalf>,
    from: IpAddr,
) -> Result<Guest, GreetError> {
    let first = timeout(HELLO, lines.next()).await.map_err(|_| GreetError::Late)?;
    let hello = match first? {
        Some(ToTracker::Hello(hello)) => hello,
        Some(ToTracker::Wait(wait)) => return Ok(Guest::Waits(wait)),
        _ => return Err(GreetError::NoHello),
    };
    let part = match hello.part {
        crate::channel::Part::Seeder => "seeder",
        crate::channel::Part::Peer => "peer",
    };
    let who = format!("{part} {:?}", hello.host);
    let (conn, mail) = shared.enter(from, *hello)?;
    Ok(Guest::Member(conn, mail, who))
}

async fn talk(
    shared: &Shared,
    conn: AgentConn,
    mut mail: mpsc::Receiver<ToAgent>,
    lines: &mut LineReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> String {
    let mut heard = Instant::now();
    let mut spoke = Instant::now();
    loop {
        tokio::select! {
            message = mail.recv() => {
                let Some(message) = message else {
                    finish(lines, write).await;
                    return "the connection was closed".to_owned();
                };
                if !send(write, &encode(&message)).await {
                    return "it takes nothing".to_owned();
                }
                spoke = Instant::now();
            }
            message = lines.next() => match message {
                Ok(Some(message)) => {
                    heard = Instant::now();
                    shared.with(|state, now| state.hear(now, conn, message));
                }
                Ok(None) => return "it closed the connection".to_owned(),
                Err(error) => return chain(&error),
            },
            () = sleep_until(spoke + ALIVE_EVERY) => {
                if !send(write, &encode(&ToAgent::Alive)).await {
                    return "it takes nothing".to_owned();
                }
                spoke = Instant::now();
            }
            () = sleep_until(heard + SILENCE) => {
                return format!("it was silent for {} s", SILENCE.as_secs());
            }
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, bytes: &[u8]) -> bool {
    matches!(timeout(TAKING, write.write_all(bytes)).await, Ok(Ok(())))
}

/// Closes so that the last message is not lost: a reset would overtake it.
async fn finish(lines: &mut LineReader<OwnedReadHalf>, write: &mut OwnedWriteHalf) {
    let _ = write.shutdown().await;
    let reading = async { while let Ok(Some(_)) = lines.next::<ToTracker>().await {} };
    let _ = timeout(FINISHING, reading).await;
}

#[derive(Debug, thiserror::Error)]
enum GreetError {
    #[error("no hello within {} s", HELLO.as_secs())]
    Late,
    #[error("the first message is not a hello")]
    NoHello,
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

/// An agent says hello at once.
const HELLO: Duration = Duration::from_secs(10);

/// Agents speak at least every five seconds, so this is three times missed.
const SILENCE: Duration = Duration::from_secs(20);

/// An agent takes a tracker that is silent for long for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A message fits in any socket's buffer unless the other end reads nothing.
const TAKING: Duration = Duration::from_secs(10);

const FINISHING: Duration = Duration::from_secs(2);

/// A report is 300 bytes; one with a long failure a few thousand.
const LONGEST_LINE: usize = 64 * 1024;
