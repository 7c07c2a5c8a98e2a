//! Sees to it that no PostgreSQL outlives its test: a shell between the two that ends it, and removes its folder, when its
//! own input closes, which the kernel does for it when the test process dies.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};

use super::Stop;
use super::installed::Installed;

/// `$1` is the folder, what follows the program. A line of input says how to end it and leaves the folder; the end of input
/// says that nobody is left to ask. If the program ends by itself, so does the shell.
const SCRIPT: &str = r#"
folder=$1; shift
exec 3<&0
"$@" 3<&- </dev/null & server=$!
(
    if read -r how <&3; then
        case $how in
            fast) kill -INT $server ;;
            immediate) kill -QUIT $server ;;
            kill) kill -KILL $server $(cat /proc/$server/task/*/children) ;;
        esac
    else
        kill -QUIT $server
        while kill -0 $server; do sleep 0.05; done
        rm -rf "$folder"
    fi
) 2>/dev/null &
exec 3<&-
wait $server
"#;

/// A server that runs, and the shell that will end it.
#[derive(Debug)]
pub(super) struct Keeper {
    shell: Child,
}

impl Keeper {
    /// Starts the server, which logs to the folder.
    pub fn start(installed: &Installed, folder: &Path, arguments: &[String]) -> Result<Self> {
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = Command::new("/bin/sh");
        installed.prepare(&mut command);
        command.args(["-c", SCRIPT, "sh"]).arg(folder).arg(installed.path("postgres")).args(arguments);
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        // An interrupt at the terminal is for the test; what it leaves is seen to by the closed input.
        let shell = command.process_group(0).spawn().context("/bin/sh cannot be run")?;
        Ok(Self { shell })
    }

    /// Whether this process is one that the shell started.
    pub fn started(&self, process: &str) -> bool {
        let shell = self.shell.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap_or_default();
        children.split_whitespace().any(|child| child == process)
    }

    /// How the server ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.shell.try_wait()?)
    }

    /// Ends the server and waits for that.
    pub fn stop(mut self, how: Stop) -> Result<()> {
        let word = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
            Stop::Kill => "kill",
        };
        let Some(mut input) = self.shell.stdin.take() else { bail!("the shell has no input") };
        writeln!(input, "{word}")?;
        self.shell.wait()?;
        Ok(())
    }
}

/// A folder of our own among the temporary ones, short enough for the name of a socket.
pub(super) fn new_folder() -> Result<PathBuf> {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    loop {
        let folder =
            std::env::temp_dir().join(format!("sederunt-pg-{process}-{}", DRAWN.fetch_add(1, Ordering::Relaxed)));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                return Ok(folder);
            }
        }
    }
}
