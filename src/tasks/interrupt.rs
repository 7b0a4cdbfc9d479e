//! Ctrl-C: once stops following; twice ends the process at once, but for a task that has to clean
//! up here.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;

/// Whether somebody pressed Ctrl-C. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    pressed: watch::Receiver<bool>,
}

/// What the second Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Second {
    /// It ends the process at once.
    Ends,
    /// Nothing: the process ends by itself once it has cleaned up after the first.
    Waits,
}

impl Interrupt {
    /// Listens from now on to SIGINT and SIGTERM.
    pub(super) fn listen(second: Second) -> std::io::Result<Self> {
        let (sender, pressed) = watch::channel(false);
        let int = signal(SignalKind::interrupt())?;
        let term = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            let (mut int, mut term) = (int, term);
            either(&mut int, &mut term).await;
            let _ = sender.send(true);
            match second {
                Second::Ends => either(&mut int, &mut term).await,
                Second::Waits => std::future::pending().await,
            }
            std::process::exit(Exit::Interrupted.code().into());
        });
        Ok(Self { pressed })
    }

    /// Returns once it was pressed, at once if it was pressed before.
    pub(super) async fn wait(&self) {
        let mut pressed = self.pressed.clone();
        if pressed.wait_for(|pressed| *pressed).await.is_err() {
            // The listener is gone, which happens only while the process ends.
            std::future::pending().await
        }
    }
}

async fn either(int: &mut Signal, term: &mut Signal) {
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}
