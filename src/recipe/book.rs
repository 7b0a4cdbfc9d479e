//! Every recipe that can be called: those that are compiled in, those of the project's own folder,
//! and a file that was named. A file is read when it is needed, so that a mistake in one recipe
//! stops nobody who calls another.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{Problem, RecipeError};
use super::parse::is_task;
use super::{Include, Recipe};
use crate::suggest::nearest;
use crate::yaml::{Kind, quoted};

/// Recipes by the name of the task.
#[derive(Clone, Debug)]
pub struct Book {
    recipes: BTreeMap<String, Location>,
    /// The tasks that are no recipes.
    built_in: Vec<&'static str>,
}

/// Where a recipe is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Compiled in: its path in murder's own folder of recipes.
    Shipped(String),
    /// A file.
    File(PathBuf),
}

/// A line of a listing.
#[derive(Debug)]
pub struct Listed {
    /// The task.
    pub name: String,
    /// Where its recipe is.
    pub location: Location,
    /// What it does, or what is wrong with it.
    pub description: Result<String, RecipeError>,
}

impl Book {
    /// The recipes that are compiled in. `built_in` are the tasks that are no recipes, and which no
    /// recipe can stand in for.
    pub fn new(built_in: Vec<&'static str>) -> Self {
        let task = |(path, _): &(&str, &str)| {
            let name = path.trim_end_matches(".yaml").replace('/', ":");
            (name, Location::Shipped((*path).to_owned()))
        };
        Self { recipes: SHIPPED.iter().map(task).collect(), built_in }
    }

    /// Adds the recipes of a folder, each in place of one of the same name. One that is not there
    /// has none. Files whose names begin with `_` are for others to include.
    ///
    /// # Errors
    ///
    /// It can't be read, or a file has a name that no task can have.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), RecipeError> {
        self.walk(folder, "", 0)
    }

    fn walk(&mut self, folder: &Path, space: &str, depth: usize) -> Result<(), RecipeError> {
        let failed = |source| RecipeError::Read { file: folder.display().to_string(), source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(failed)?;
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(['_', '.']) {
                continue;
            }
            if path.is_dir() {
                if depth < DEEPEST {
                    self.walk(&path, &format!("{space}{name}:"), depth + 1)?;
                }
            } else if let Some((stem, "yaml" | "yml")) = name.rsplit_once('.') {
                self.add(format!("{space}{stem}"), path)?;
            }
        }
        Ok(())
    }

    /// Adds a file, by the `task:` in it or else by its own name, and says which task it is.
    ///
    /// # Errors
    ///
    /// It can't be read, is wrong, or has a name that no task can have.
    pub fn add_file(&mut self, file: &Path) -> Result<String, RecipeError> {
        let location = Location::File(file.to_owned());
        let stem = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = location.read()?.task.map_or_else(stem, |(name, _)| name);
        self.add(name.clone(), file.to_owned())?;
        Ok(name)
    }

    fn add(&mut self, name: String, file: PathBuf) -> Result<(), RecipeError> {
        let shown = file.display().to_string();
        if !is_task(&name) || file.extension().is_none_or(|extension| extension != "yaml") {
            return Err(RecipeError::FileName { file: shown });
        }
        if self.is_built_in(&name) {
            return Err(RecipeError::BuiltIn { file: shown, name });
        }
        self.recipes.insert(name, Location::File(file));
        Ok(())
    }

    /// The names of all recipes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.recipes.keys().map(String::as_str)
    }

    /// Whether there is a recipe of this name.
    pub fn has(&self, name: &str) -> bool {
        self.recipes.contains_key(name)
    }

    /// Whether a task of this name is no recipe.
    pub fn is_built_in(&self, name: &str) -> bool {
        self.built_in.contains(&name)
    }

    /// The names of all tasks, recipes or not.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.built_in.iter().copied().chain(self.names())
    }

    /// Every recipe with what it does.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |(name, location): (&String, &Location)| {
            let recipe = self.recipe(name);
            let description = recipe.map(|recipe| recipe.description.unwrap_or_default());
            Listed { name: name.clone(), location: location.clone(), description }
        };
        self.recipes.iter().map(listed).collect()
    }

    /// The recipe of a task, with everything that it includes.
    ///
    /// # Errors
    ///
    /// There is none, it can't be read, or something in it or in what it includes is wrong.
    pub fn recipe(&self, name: &str) -> Result<Recipe, RecipeError> {
        let Some(location) = self.recipes.get(name) else {
            let nearest = nearest(name, self.tasks()).map(str::to_owned);
            return Err(RecipeError::Unknown { name: name.to_owned(), nearest });
        };
        let own = location.read()?;
        let start = own.start();
        if let Some((other, at)) = own.task.as_ref().filter(|(other, _)| other != name) {
            let problem = Problem::NotByPath { task: other.clone(), path: name.to_owned() };
            return Err(RecipeError::at(at, problem));
        }
        let mut reading = Including { way: vec![location.clone()], done: Vec::new() };
        let recipe = reading.complete(own)?;
        match recipe.description {
            Some(_) => Ok(recipe),
            None => Err(RecipeError::at(&start, Problem::NO_DESCRIPTION)),
        }
    }
}

/// Files that include others.
struct Including {
    /// From the first file to the one that is being read.
    way: Vec<Location>,
    /// Every file that was included: one that two files include is taken once.
    done: Vec<Location>,
}

impl Including {
    /// What a recipe includes, and then itself.
    fn complete(&mut self, mut recipe: Recipe) -> Result<Recipe, RecipeError> {
        let includes = std::mem::take(&mut recipe.include);
        let mut all: Option<Recipe> = None;
        for include in includes {
            if let Some(included) = self.include(&include)? {
                all = Some(match all {
                    None => included,
                    Some(before) => merge(before, included),
                });
            }
        }
        Ok(match all {
            None => recipe,
            Some(before) => merge(before, recipe),
        })
    }

    fn include(&mut self, include: &Include) -> Result<Option<Recipe>, RecipeError> {
        let wrong = |problem| RecipeError::at(&include.at, problem);
        let location = self.way.last().map(|from| from.beside(&include.file));
        let Some(location) = location.flatten() else {
            let why = "murder comes with no such recipe".to_owned();
            return Err(wrong(Problem::Include { file: quoted(&include.file), why }));
        };
        if let Some(start) = self.way.iter().position(|seen| *seen == location) {
            let names = self.way[start..].iter().chain([&location]).map(ToString::to_string);
            return Err(wrong(Problem::IncludeCircle(names.collect::<Vec<_>>().join(" > "))));
        }
        if self.way.len() > DEEPEST_INCLUDE {
            let why = format!("{DEEPEST_INCLUDE} files already include each other to get here");
            return Err(wrong(Problem::Include { file: quoted(&include.file), why }));
        }
        if self.done.contains(&location) {
            return Ok(None);
        }
        self.done.push(location.clone());
        let included = location.read().map_err(|error| match error {
            RecipeError::Read { file, source } => {
                wrong(Problem::Include { file, why: source.to_string() })
            }
            other => other,
        })?;
        self.way.push(location);
        let included = self.complete(included);
        self.way.pop();
        included.map(Some)
    }
}

/// One recipe after another: the later one's variables and description count, steps and hooks are
/// done in the order in which they are read.
fn merge(before: Recipe, after: Recipe) -> Recipe {
    let mut recipe = after;
    let Recipe { description, mut vars, mut no_log, mut steps, mut hooks, .. } = before;
    recipe.description = recipe.description.or(description);
    vars.append(&mut recipe.vars);
    no_log.append(&mut recipe.no_log);
    steps.append(&mut recipe.steps);
    hooks.append(&mut recipe.hooks);
    Recipe { vars, no_log, steps, hooks, ..recipe }
}

impl Location {
    fn read(&self) -> Result<Recipe, RecipeError> {
        let name = self.to_string();
        let bytes = match self {
            Self::Shipped(path) => {
                let found = SHIPPED.iter().find(|(name, _)| name == path);
                return Recipe::parse(found.map_or("", |(_, text)| text).as_bytes(), &name);
            }
            Self::File(path) => read_bounded(path),
        };
        let bytes = bytes.map_err(|source| RecipeError::Read { file: name.clone(), source })?;
        Recipe::parse(&bytes, &name)
    }

    /// The file that one here includes; `None` if it is to be compiled in and is not.
    fn beside(&self, file: &str) -> Option<Self> {
        let shipped = |path: &str| {
            let found = SHIPPED.iter().find(|(name, _)| *name == path)?;
            Some(Self::Shipped(found.0.to_owned()))
        };
        match (file.strip_prefix("murder:"), self) {
            (Some(task), _) => shipped(&format!("{}.yaml", task.replace(':', "/"))),
            (None, Self::Shipped(from)) => {
                let folder =
                    from.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
                shipped(&format!("{folder}{file}"))
            }
            (None, Self::File(from)) => Some(Self::File(tidy(&from.with_file_name("").join(file)))),
        }
    }
}

/// A path without `.` and, where it can be told, without `..`, so that a file has one name.
fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidy.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shipped(path) => write!(f, "murder:recipes/{path}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(Kind::Recipe.largest() as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Folders in a folder of recipes: `a/b/c.yaml` is the task `a:b:c`.
const DEEPEST: usize = 4;

/// Files that include each other, one the next.
const DEEPEST_INCLUDE: usize = 32;

/// What is compiled in, by its path.
pub(super) const SHIPPED: [(&str, &str); 6] = [
    ("deploy.yaml", include_str!("../../recipes/deploy.yaml")),
    ("deploy/check.yaml", include_str!("../../recipes/deploy/check.yaml")),
    ("deploy/cleanup.yaml", include_str!("../../recipes/deploy/cleanup.yaml")),
    ("deploy/rollback.yaml", include_str!("../../recipes/deploy/rollback.yaml")),
    ("deploy/unlock.yaml", include_str!("../../recipes/deploy/unlock.yaml")),
    ("deploy-git.yaml", include_str!("../../recipes/deploy-git.yaml")),
];
