//! A disk of a few MiB that a test can fill: a tmpfs. It is mounted in a mount namespace of its own, in
//! which the test runs a second time, as a child.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In the environment of the child: where the disk is.
const MOUNTED: &str = "KICI_TEST_SMALL_DISK";

/// The disk.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// The disk, where this is the child. Elsewhere runs the test called `test` as a child with a disk
    /// of `kib` KiB, and gives nothing.
    pub(crate) fn enter(test: &str, kib: u32) -> Option<Self> {
        if let Some(folder) = std::env::var_os(MOUNTED) {
            return Some(Self { folder: folder.into() });
        }
        let name = test.replace(':', "_");
        let folder = std::env::temp_dir().join(format!("kici-disk-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mount = format!("mount -t tmpfs -o size={kib}k tmpfs \"$0\" || exit 77; exec \"$@\"");
        let mut command = Command::new("unshare");
        // Who is not root becomes it in a user namespace.
        if !is_root() {
            command.arg("-r");
        }
        command.args(["-m", "sh", "-c", &mount]).arg(&folder);
        command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
        let ended = command.env(MOUNTED, &folder).stdin(Stdio::null()).status();
        drop(std::fs::remove_dir(&folder));
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) if status.code() == Some(77) => {
                println!("left out: no tmpfs can be mounted")
            }
            Ok(status) => panic!("{test} on a small disk: {status}"),
            Err(error) => println!("left out: `unshare` does not run: {error}"),
        }
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Fills the disk but for `free` pages of 4 KiB.
    pub(crate) fn fill(&self, free: u64) {
        let path = self.folder.join("fill");
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let page = [1; 4096];
        while file.write_all(&page).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len((length - length % 4096).saturating_sub(free * 4096)).unwrap();
    }

    /// Makes room again.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.folder.join("fill")).unwrap();
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
