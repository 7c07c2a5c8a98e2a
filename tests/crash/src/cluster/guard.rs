//! Sees to it that nothing outlives the test: a shell that, once its input closes, ends every process that was started from
//! the test's folder. The kernel closes it when the test dies, however that happens. What dies meanwhile is buried.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};

/// How often the dead are looked for.
const BURY: Duration = Duration::from_millis(50);

/// `$1` is the folder: a process is the test's own if its command line names it.
const SCRIPT: &str = r#"
cat >/dev/null
for once in 1 2 3; do
    for process in /proc/[0-9]*; do
        if [ "${process#/proc/}" != $$ ] && grep -qsF -- "$1/" "$process/cmdline"; then
            kill -KILL "${process#/proc/}"
        fi
    done
    sleep 0.1
done 2>/dev/null
[ -z "$2" ] || umount -l "$2"
rm -rf "$1"
"#;

/// A folder for a cluster and the watch over what runs from it.
#[derive(Debug)]
pub struct Guard {
    folder: PathBuf,
    shell: Child,
    /// What buries the dead, and what ends it when dropped.
    undertaker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Guard {
    /// Watches over what will be started from a new folder; what is mounted at `mounted` is unmounted at the end.
    pub fn over(folder: PathBuf, mounted: Option<&Path>) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&folder).args(mounted);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.process_group(0).spawn().context("/bin/sh cannot be run")?;
        // A database whose parent is gone becomes ours. Not every first process of a machine buries it in time, and one that is
        // dead and still has its number looks alive to who waits for its end.
        set_child_subreaper(Some(rustix::process::getpid()))?;
        let (ending, ended) = channel();
        let undertaker = std::thread::spawn(move || {
            while ended.recv_timeout(BURY) == Err(RecvTimeoutError::Timeout) {
                bury();
            }
        });
        Ok(Self { folder, shell, undertaker: Some((ending, undertaker)) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It ends within half a second; that it did not only leaves a folder.
        _ = self.shell.wait();
        if let Some((ending, undertaker)) = self.undertaker.take() {
            drop(ending);
            // It cannot panic.
            _ = undertaker.join();
        }
    }
}

/// Kills a process and all that it has started, first and second hand.
pub fn kill_all(process: u32) {
    let mut all = vec![process];
    let mut at = 0;
    while let Some(&next) = all.get(at) {
        all.extend(children(next));
        at += 1;
    }
    for &process in &all {
        if let Some(pid) = pid(process) {
            // It may have ended by itself.
            _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let said = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    said.flat_map(|said| said.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Takes note of the end of each database that became ours. What this process started itself it waits for where it did so.
fn bury() {
    for process in children(std::process::id()) {
        let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if state.contains(" (postgres) Z ")
            && let Some(pid) = pid(process)
        {
            // It is dead: there is nothing to wait for, and nothing more to learn.
            _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}
