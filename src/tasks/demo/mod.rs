//! `demo`: the whole job on this machine, with the very tasks that serve a real fleet.

mod compare;
mod plan;
mod site;
mod strays;
mod tree;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use murder_protocol::verbs::Compression;
use murder_protocol::{Blame, Failure};

use super::context::{Cast, Context, Place};
use super::distribute;
use super::interrupt::Interrupt;
use crate::exit::Exit;
use crate::fleet::{HostResult, Outcome};
use crate::inventory::Inventory;
use crate::report::{Event, GoesOn, Refusal, Reporter, units};
use crate::settings::{Create, Demo, Distribute, Peer, Settings, Task};
pub(super) use plan::of as plan;
use site::Site;

/// Runs it. Whatever it made and started is gone afterwards, after Ctrl-C too.
pub(super) async fn run(
    settings: &Settings,
    demo: &Demo,
    reporter: &Reporter,
    interrupt: Interrupt,
) -> Result<Exit, Refusal> {
    let site = Site::new(demo.hosts).map_err(|error| refused(&error))?;
    reporter.emit(Event::Note(format!(
        "tracker, seeder and {} on {} to {}",
        units::hosts(demo.hosts),
        site::address(0),
        site::address(demo.hosts + 1),
    )));
    let ended = play(settings, demo, reporter, interrupt, &site).await;
    let folder = site.folder().display();
    let text = format!("removes {folder} and ends what runs there");
    reporter.emit(Event::Note(text));
    // Not on this thread, which has to drop what Ctrl-C cut short meanwhile.
    let _ = tokio::task::spawn_blocking(move || drop(site)).await;
    ended
}

/// All of it but its end.
async fn play(
    settings: &Settings,
    demo: &Demo,
    reporter: &Reporter,
    interrupt: Interrupt,
    site: &Site,
) -> Result<Exit, Refusal> {
    let note = |text: String| reporter.emit(Event::Note(text));
    let Some(made) = make_tree(demo, site, &interrupt).await? else {
        reporter.emit(Event::Interrupted(GoesOn::Nothing));
        return Ok(Exit::Interrupted);
    };
    note(format!("made a tree of {made} entries and {}", units::bytes(demo.size)));
    let settings = settings_of(settings, site);
    let inventory = Inventory::parse(site.inventory().as_bytes(), "the demo's inventory", &[])
        .map_err(|error| Refusal::new(&error, None))?;
    let cast = Cast::of(&inventory, None, &settings.task)?;
    let context = Context::new(&settings, cast, reporter, interrupt, Place::ThisMachine)
        .map_err(|error| refused(&error))?;
    let Task::Distribute(job) = &settings.task else { return Ok(Exit::Refused) };
    let began = Instant::now();
    let Ok(mut results) = distribute::run(&context, job).await else {
        return Ok(Exit::Interrupted);
    };
    note(format!("distributed it in {}", units::duration(began.elapsed())));
    tokio::select! {
        () = compare_all(&context, site, &mut results) => {}
        () = context.interrupt.wait() => {
            reporter.emit(Event::Interrupted(GoesOn::Nothing));
            return Ok(Exit::Interrupted);
        }
    }
    let bad = results.iter().filter(|result| result.outcome.failure().is_some()).count();
    Ok(Exit::of(bad, results.len(), None))
}

/// The number of entries; nothing on Ctrl-C.
async fn make_tree(
    demo: &Demo,
    site: &Site,
    interrupt: &Interrupt,
) -> Result<Option<u64>, Refusal> {
    let stop = Arc::new(AtomicBool::new(false));
    let (files, size, stopped) = (site.files(), demo.size, stop.clone());
    let mut work = tokio::task::spawn_blocking(move || tree::make(&files, size, &stopped));
    let made = tokio::select! {
        made = &mut work => made,
        () = interrupt.wait() => {
            stop.store(true, Ordering::Relaxed);
            // The folder goes once nobody writes to it.
            let _ = work.await;
            return Ok(None);
        }
    };
    made.map_err(|error| refused(&error))?.map(Some).map_err(|error| refused(&error))
}

async fn compare_all(context: &Context, site: &Site, results: &mut [HostResult]) {
    let mut same = 0;
    for result in results.iter_mut().filter(|result| site.is_peer(&result.host)) {
        if result.outcome.failure().is_some() {
            continue;
        }
        let (files, tree) = (site.files(), site.tree(&result.host));
        let compared = tokio::task::spawn_blocking(move || compare::compare(&files, &tree)).await;
        let difference = match compared {
            Ok(Ok(())) => {
                same += 1;
                continue;
            }
            Ok(Err(difference)) => difference.to_string(),
            Err(error) => error.to_string(),
        };
        let text = format!("{}: the tree differs: {difference}", result.host);
        context.reporter.emit(Event::Warning(text.clone()));
        result.outcome = Outcome::Failed(Failure::new(Blame::Bug, text));
    }
    let text = match same {
        1 => "1 tree is the seeder's in names, modes, times and contents".to_owned(),
        n => format!("all {n} trees are the seeder's in names, modes, times and contents"),
    };
    if same > 0 {
        context.reporter.emit(Event::Note(text));
    }
}

fn settings_of(settings: &Settings, site: &Site) -> Settings {
    let tag: murder_protocol::Tag = TAG.parse().expect("the demo's tag is one");
    let create = Create {
        tag: tag.clone(),
        from: None,
        files_path: Some(site.files().to_string_lossy().into_owned()),
        path_is_file: false,
        do_not_download_torrent: true,
        exclude: Vec::new(),
        compression: Compression::Gzip(6),
        temp_path: None,
    };
    let peer = Peer {
        tag,
        destination_path: None,
        no_tag_directory: false,
        path_is_file: false,
        unsafe_please_delete: false,
        keep_owner: false,
        as_release: false,
        temp_path: None,
    };
    Settings {
        task: Task::Distribute(Distribute { create, peer }),
        limit: None,
        ..settings.clone()
    }
}

fn refused(error: &dyn std::error::Error) -> Refusal {
    Refusal::new(error, Some("the demo needs Linux, and room for its trees in $TMPDIR".into()))
}

/// The demo's tag.
const TAG: &str = "demo";
