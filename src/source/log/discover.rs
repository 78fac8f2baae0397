//! Finding `.wandb` files in what the user named.

use crate::error::{Error, ErrorKind, Result};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The logs that were found, and the folders that could not be looked into.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Sorted, each file once.
    pub(super) files: Vec<PathBuf>,
    /// Folders without permission, with the reason.
    pub(super) refused: Vec<Error>,
    /// Links to logs outside of all trees that were walked; sorted, each once.
    pub(super) links: Vec<PathBuf>,
}

/// Finds the logs in files, run folders, `wandb/` folders and trees.
///
/// Links inside of a tree are not followed (`latest-run` names a run that is there anyway); those to logs elsewhere are named.
/// A path that was given may be a link.
///
/// # Errors
/// If a path does not exist, or nothing at all is found.
pub(super) fn find(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "no such file or folder").file(path),
            _ => Error::io(path, error),
        })?;
        let files = if metadata.is_dir() { walk(path, &mut found) } else { vec![path.clone()] };
        if paths.len() == 1 {
            found.files = files;
        } else {
            // No link was followed below `path`, so its own target is all that needs to be known.
            let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let place = |file: &Path| match file.strip_prefix(path) {
                Ok(below) if below.as_os_str().is_empty() => target.clone(),
                Ok(below) => target.join(below),
                Err(_) => file.to_owned(),
            };
            found.files.extend(files.into_iter().filter(|file| seen.insert(place(file))));
        }
    }
    found.files.sort_unstable();
    found.links = leading_out(&found.links, paths);
    if found.files.is_empty() {
        return Err(nothing(paths, found.refused));
    }
    Ok(found)
}

fn nothing(paths: &[PathBuf], refused: Vec<Error>) -> Error {
    if let Some(error) = refused.into_iter().next() {
        return error;
    }
    let error = Error::new(ErrorKind::NotFound, "no W&B logs (*.wandb) are in this folder");
    let error =
        error.hint("give a folder named wandb, as the SDK makes it, or one above it; links in it are not followed");
    match paths.first() {
        Some(path) => error.file(path),
        None => error,
    }
}

/// The logs below a folder, level by level, folders of a level in parallel.
fn walk(root: &Path, found: &mut Found) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut level = vec![root.to_owned()];
    while !level.is_empty() {
        let lists: Vec<_> = level.par_iter().with_min_len(16).map(|folder| list(folder)).collect();
        level.clear();
        for list in lists {
            files.extend(list.files);
            level.extend(list.folders);
            found.links.extend(list.links);
            found.refused.extend(list.refused);
        }
    }
    files
}

#[derive(Default)]
struct List {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    links: Vec<PathBuf>,
    refused: Option<Error>,
}

/// The logs and the folders in a folder; of a run folder not those where a run keeps its files.
fn list(folder: &Path) -> List {
    let mut list = List::default();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            list.refused = Some(Error::io(folder, error));
            return list;
        }
    };
    let mut of_run = is_run_folder(folder);
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                list.refused = Some(Error::io(folder, error));
                break;
            }
        };
        // Known without asking the file system again, on nearly all of them.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            list.folders.push(entry.path());
        } else if kind.is_file() && entry.file_name().as_encoded_bytes().ends_with(b".wandb") {
            of_run |= entry.file_name().as_encoded_bytes().starts_with(b"run-");
            list.files.push(entry.path());
        } else if kind.is_symlink() {
            list.links.push(entry.path());
        }
    }
    if of_run {
        let of_files = |path: &PathBuf| path.file_name().is_some_and(|n| n == "files" || n == "logs" || n == "tmp");
        list.folders.retain(|folder| !of_files(folder));
        list.links.retain(|link| !of_files(link));
    }
    list
}

/// The links that lead to logs outside of `roots`, which are the trees that were walked.
fn leading_out(links: &[PathBuf], roots: &[PathBuf]) -> Vec<PathBuf> {
    if links.is_empty() {
        return Vec::new();
    }
    let roots: Vec<PathBuf> = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let mut seen = HashSet::new();
    let leads_out = |link: &&PathBuf| {
        let Ok(target) = link.canonicalize() else { return false };
        // The place of the link itself, where several of the trees have it.
        let place = link.parent().and_then(|folder| folder.canonicalize().ok()).zip(link.file_name());
        !roots.iter().any(|root| target.starts_with(root))
            && may_hold_logs(link, &target)
            && place.is_none_or(|(folder, name)| seen.insert(folder.join(name)))
    };
    let mut links: Vec<PathBuf> = links.iter().filter(leads_out).cloned().collect();
    links.sort_unstable();
    links
}

/// True for a log, and for a folder that by its name or its first entries is a run folder, or holds some.
fn may_hold_logs(link: &Path, target: &Path) -> bool {
    const LOOKED_AT: usize = 1_000;
    let is_log = |path: &Path| path.extension().is_some_and(|extension| extension == "wandb");
    if !target.is_dir() {
        return is_log(link) || is_log(target);
    }
    let Ok(entries) = std::fs::read_dir(target) else { return is_run_folder(link) };
    let telling = |path: &Path| {
        is_log(path) || is_run_folder(path) || path.file_name().is_some_and(|n| n == "wandb" || n == ".wandb")
    };
    is_run_folder(link) || entries.take(LOOKED_AT).flatten().any(|entry| telling(&entry.path()))
}

/// True for `run-20260102_030405-…` and `offline-run-…`, even where there is no log in it.
fn is_run_folder(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().as_encoded_bytes();
    let name = name.strip_prefix(b"offline-").unwrap_or(name);
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    match name.strip_prefix(b"run-").and_then(|rest| rest.split_at_checked(16)) {
        Some((time, _)) => digits(&time[..8]) && time[8] == b'_' && digits(&time[9..15]) && time[15] == b'-',
        None => false,
    }
}

/// The run's id by the name of its log, `run-ID.wandb`.
pub(super) fn id_of(file: &Path) -> Option<&str> {
    let name = file.file_name()?.to_str()?;
    name.strip_prefix("run-")?.strip_suffix(".wandb").filter(|id| !id.is_empty())
}

/// True if the folder's name has the same id (`run-20260102_030405-ID`, or `-1` behind it), so that the file's can be trusted.
pub(super) fn is_in_place(file: &Path, id: &str) -> bool {
    let Some(folder) = file.parent().filter(|folder| is_run_folder(folder)) else { return false };
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return false };
    let tail = |name: &str| name.strip_suffix(id).is_some_and(|head| head.ends_with('-'));
    let counted = name.rsplit_once('-').filter(|(_, count)| count.bytes().all(|b| b.is_ascii_digit()));
    tail(name) || counted.is_some_and(|(head, _)| tail(head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn touch(root: &Path, file: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    fn names(root: &Path, found: &Found) -> Vec<String> {
        let strip = |file: &PathBuf| file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned();
        found.files.iter().map(strip).collect()
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "p/wandb/run-20260102_030405-aa/run-aa.wandb",
            "p/wandb/run-20260102_030405-aa/run-aa.wandb.synced",
            "p/wandb/run-20260102_030405-aa/run-aa.wandb.syncstate",
            "p/wandb/run-20260102_030405-aa/files/run-zz.wandb",
            "p/wandb/offline-run-20260102_030406-bb/run-bb.wandb",
            "p/wandb/run-20260102_030407-cc/files/media/x.wandb",
            "p/wandb/debug.log",
            "files/loose.wandb",
        ] {
            touch(root.path(), file);
        }
        root
    }

    #[test]
    fn a_tree_is_walked_without_the_files_of_runs() {
        let root = tree();
        let found = find(&[root.path().to_owned()]).unwrap();
        let expected = [
            "files/loose.wandb",
            "p/wandb/offline-run-20260102_030406-bb/run-bb.wandb",
            "p/wandb/run-20260102_030405-aa/run-aa.wandb",
        ];
        assert_eq!(names(root.path(), &found), expected);
        for path in ["p/wandb/run-20260102_030405-aa", "p/wandb/run-20260102_030405-aa/run-aa.wandb"] {
            let found = find(&[root.path().join(path)]).unwrap();
            assert_eq!(names(root.path(), &found), ["p/wandb/run-20260102_030405-aa/run-aa.wandb"], "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_never_count_twice() {
        let root = tree();
        let wandb = root.path().join("p/wandb");
        std::os::unix::fs::symlink("run-20260102_030405-aa", wandb.join("latest-run")).unwrap();
        std::os::unix::fs::symlink("nowhere", wandb.join("dangling")).unwrap();
        std::os::unix::fs::symlink("..", wandb.join("loop")).unwrap();
        assert_eq!(find(std::slice::from_ref(&wandb)).unwrap().files.len(), 2);
        let latest = wandb.join("latest-run");
        assert_eq!(find(std::slice::from_ref(&latest)).unwrap().files, [latest.join("run-aa.wandb")]);
        assert_eq!(find(&[wandb.clone(), latest.clone(), root.path().to_owned()]).unwrap().files.len(), 3);
        let file = latest.join("run-aa.wandb");
        assert_eq!(find(&[file.clone(), file, latest]).unwrap().files.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_logs_elsewhere_are_named() {
        use std::os::unix::fs::symlink;
        let (root, other) = (tree(), tree());
        let wandb = root.path().join("p/wandb");
        let far = other.path().join("p/wandb/run-20260102_030405-aa");
        touch(other.path(), "data/x.bin");
        let to = |target: &Path, name: &str| symlink(target, wandb.join(name)).unwrap();
        to(&far, "run-20260102_030409-dd");
        to(&far.join("run-aa.wandb"), "one.wandb");
        to(&other.path().join("p"), "project");
        // These are none, or lie in the tree, or are not there.
        to(&other.path().join("data"), "data");
        to(&other.path().join("data/x.bin"), "x.bin");
        to(&far, "run-20260102_030407-cc/logs");
        to(Path::new("run-20260102_030405-aa"), "latest-run");
        to(Path::new("nowhere"), "run-20260102_030408-ee");
        to(Path::new("loop"), "loop");
        let links = |paths: &[&Path]| -> Vec<String> {
            let found = find(&paths.iter().map(|path| path.to_path_buf()).collect::<Vec<_>>()).unwrap();
            found.links.iter().map(|link| link.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(links(&[root.path()]), ["one.wandb", "project", "run-20260102_030409-dd"]);
        assert_eq!(links(&[root.path(), &wandb]), ["one.wandb", "project", "run-20260102_030409-dd"]);
        assert_eq!(links(&[root.path(), &far]), ["project"]);
        assert_eq!(links(&[root.path(), other.path()]), [""; 0]);
        assert_eq!(links(&[&wandb.join("run-20260102_030409-dd")]), [""; 0]);
    }

    #[test]
    fn nothing_found_says_so() {
        let root = tempfile::tempdir().unwrap();
        let error = find(&[root.path().to_owned()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no W&B logs (*.wandb) are in this folder"), "{error}");
        assert!(error.cure().is_some());
        let error = find(&[root.path().join("nowhere")]).unwrap_err();
        assert!(error.to_string().ends_with("nowhere: no such file or folder"), "{error}");
        assert_eq!(find(&[]).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_locked_folder_is_refused_and_the_others_go_on() {
        use std::os::unix::fs::PermissionsExt;
        let root = tree();
        let locked = root.path().join("p/wandb/run-20260102_030405-aa");
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        let locked_out = fs::read_dir(&locked).is_err();
        let found = find(&[root.path().to_owned()]);
        let alone = find(std::slice::from_ref(&locked));
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
        if !locked_out {
            return; // The superuser may look into every folder.
        }
        let found = found.unwrap();
        assert_eq!((found.files.len(), found.refused.len()), (2, 1));
        assert_eq!(alone.unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn ids_come_from_file_names() {
        assert_eq!(id_of(Path::new("a/run-x-1.wandb")), Some("x-1"));
        assert_eq!(id_of(Path::new("a/x.wandb")), None);
        assert_eq!(id_of(Path::new("a/run-.wandb")), None);
        let in_place = |path, id| is_in_place(Path::new(path), id);
        assert!(in_place("w/run-20260102_030405-a-b/run-a-b.wandb", "a-b"));
        assert!(in_place("w/offline-run-20260102_030405-ab-2/run-ab.wandb", "ab"));
        assert!(!in_place("w/run-20260102_030405-ab/run-b.wandb", "b"));
        assert!(!in_place("w/run-20260102_030405-ab/run-ab-copy.wandb", "ab-copy"));
        assert!(!in_place("backup/run-ab.wandb", "ab"));
    }
}
