//! What the machine says of itself and of a process. Linux's /proc only.

use std::fs;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Clock ticks a second in /proc/PID/stat: fixed for user space on every Linux.
const TICKS: u64 = 100;

/// One line about the machine and how busy it is.
pub fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({}), load {}", name.map_or("unknown", |(_, name)| name), load())
}

/// The load averages over 1 and 5 minutes.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(", ")
}

/// How much of a process lies in memory, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a status without VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// How long a process has been on a core so far.
pub fn cpu(pid: u32) -> Result<Duration> {
    Ok(ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?, 11..13)?.1)
}

/// The same of a process and all that it has started, those that have ended included.
pub fn cpu_with_children(pid: u32) -> Result<Duration> {
    let mut sum = ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?, 11..15)?.1;
    for process in fs::read_dir("/proc")? {
        // One that ends meanwhile is its parent's.
        let Ok(stat) = fs::read_to_string(process?.path().join("stat")) else { continue };
        let (parent, time) = ticks(&stat, 11..13)?;
        if parent == u64::from(pid) {
            sum += time;
        }
    }
    Ok(sum)
}

/// From a line of /proc/PID/stat: the parent, and the sum of some counts of ticks.
fn ticks(stat: &str, counts: Range<usize>) -> Result<(u64, Duration)> {
    // The second field is the program's name in parentheses and may contain anything.
    let rest = stat.rsplit_once(')').context("a stat without a name")?.1;
    let fields: Vec<u64> = rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    let sum: u64 = fields.get(counts).unwrap_or_default().iter().sum();
    Ok((fields.get(1).copied().unwrap_or_default(), Duration::from_millis(sum * 1_000 / TICKS)))
}

/// How many files this process, and those it starts, may open.
pub fn open_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(1024)
}
