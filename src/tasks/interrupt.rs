//! Ctrl-C: once stops following, and takes leave of the tracker; twice ends that too.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How often somebody pressed Ctrl-C. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    pressed: watch::Receiver<usize>,
}

impl Interrupt {
    /// Listens from now on to SIGINT and SIGTERM.
    pub(super) fn listen() -> std::io::Result<Self> {
        let (sender, pressed) = watch::channel(0);
        let int = signal(SignalKind::interrupt())?;
        let term = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            let (mut int, mut term) = (int, term);
            loop {
                either(&mut int, &mut term).await;
                sender.send_modify(|pressed| *pressed += 1);
            }
        });
        Ok(Self { pressed })
    }

    /// Whether it was pressed.
    pub(super) fn is_pressed(&self) -> bool {
        *self.pressed.borrow() > 0
    }

    /// Returns once it was pressed, at once if it was pressed before.
    pub(super) async fn wait(&self) {
        self.wait_for(1).await;
    }

    /// Returns once it was pressed twice. Whoever cleans up after the first one doesn't ask.
    pub(super) async fn wait_for_another(&self) {
        self.wait_for(2).await;
    }

    async fn wait_for(&self, times: usize) {
        let mut pressed = self.pressed.clone();
        if pressed.wait_for(|pressed| *pressed >= times).await.is_err() {
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
