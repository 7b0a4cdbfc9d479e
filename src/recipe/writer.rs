//! Writes a [`Script`]: goes through a recipe and whatever it calls, and puts hooks where their turn
//! is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::book::Book;
use super::error::{Problem, RecipeError};
use super::scope::{Setting, Settings};
use super::script::{Act, Action, Frame, FrameId, Guard, Script};
use super::{Anchor, Body, Hook, Moment, Recipe, Stage, Step, With};
use crate::suggest::nearest;

impl Script {
    /// Puts a recipe of a book, and everything that it calls, in order.
    ///
    /// # Errors
    ///
    /// One of the recipes is wrong, names what there is not, or they call each other.
    pub fn expand(book: &Book, name: &str) -> Result<Self, RecipeError> {
        let recipe = book.recipe(name)?;
        let script = Self {
            name: name.to_owned(),
            description: recipe.description.clone().unwrap_or_default(),
            acts: Vec::new(),
            failed: Vec::new(),
            no_log: BTreeMap::new(),
            frames: Vec::new(),
        };
        let mut writer =
            Writer { book, script, calls: Vec::new(), hooks: Vec::new(), active: Vec::new() };
        let here = Here {
            frame: FrameId::ROOT,
            guards: Vec::new(),
            stage: None,
            hook: None,
            no_log: false,
            recipe: name.to_owned(),
        };
        let call = Call { name, with: Settings::new(), caller: None };
        writer.call(recipe, call, &here)?;
        Ok(writer.script)
    }
}

/// A call of a recipe.
struct Call<'c> {
    name: &'c str,
    with: Settings,
    caller: Option<FrameId>,
}

/// Where the next steps belong.
#[derive(Clone)]
struct Here {
    frame: FrameId,
    guards: Vec<Guard>,
    stage: Option<Stage>,
    hook: Option<(Moment, Anchor)>,
    no_log: bool,
    /// The recipe that they stand in.
    recipe: String,
}

/// A hook, and whose variables it sees.
#[derive(Clone)]
struct Bound {
    hook: Arc<Hook>,
    frame: FrameId,
    recipe: String,
}

struct Writer<'b> {
    book: &'b Book,
    script: Script,
    /// The recipes that are being written, each called by the one before.
    calls: Vec<String>,
    /// The hooks that hold here, those of the first recipe first.
    hooks: Vec<Bound>,
    /// The hooks that are being written: none is done within itself.
    active: Vec<Arc<Hook>>,
}

impl Writer<'_> {
    /// Writes a recipe, with the hooks of whoever calls it and its own.
    fn call(&mut self, recipe: Recipe, call: Call<'_>, here: &Here) -> Result<(), RecipeError> {
        self.check_hooks(&recipe.hooks)?;
        let frame = FrameId(self.script.frames.len());
        self.script.frames.push(Frame {
            caller: call.caller,
            with: Arc::new(call.with),
            vars: Arc::new(recipe.vars),
        });
        self.script.no_log.extend(recipe.no_log);
        let name = call.name.to_owned();
        let outer = self.hooks.len();
        let own = recipe.hooks.into_iter().map(Arc::new);
        self.hooks.extend(own.map(|hook| Bound { hook, frame, recipe: name.clone() }));
        self.calls.push(name.clone());
        let inner = Here { frame, recipe: name.clone(), ..here.clone() };
        self.failures(outer, &inner)?;
        let anchor = Anchor::Task(name);
        self.run_hooks(Moment::Before, &anchor, here)?;
        self.steps(&recipe.steps, &inner)?;
        self.run_hooks(Moment::After, &anchor, here)?;
        self.calls.pop();
        self.hooks.truncate(outer);
        Ok(())
    }

    /// The hooks of `failed` among those that have just been added.
    fn failures(&mut self, from: usize, here: &Here) -> Result<(), RecipeError> {
        let acts = std::mem::take(&mut self.script.acts);
        let mut hooks: Vec<Bound> = self.hooks[from..].to_vec();
        hooks.retain(|bound| bound.hook.anchor == Anchor::Stage(Stage::Failed));
        hooks.sort_by_key(|bound| bound.hook.when == Moment::After);
        for bound in hooks {
            self.run_hook(&bound, Some(Stage::Failed), here)?;
        }
        let failed = std::mem::replace(&mut self.script.acts, acts);
        self.script.failed.extend(failed);
        Ok(())
    }

    fn steps(&mut self, steps: &[Step], here: &Here) -> Result<(), RecipeError> {
        steps.iter().try_for_each(|step| self.step(step, here))
    }

    fn step(&mut self, step: &Step, here: &Here) -> Result<(), RecipeError> {
        let mut here = here.clone();
        here.no_log |= step.no_log;
        if let Some(when) = &step.when {
            here.guards.push(Guard { when: when.clone(), frame: here.frame });
        }
        match &step.body {
            Body::Stage { stage, steps } => self.stage(*stage, steps, here),
            Body::Task { name, with } => self.task(step, name, with, &here),
            Body::Run(_) | Body::Switch(_) => self.write(step, &here),
        }
    }

    fn stage(&mut self, stage: Stage, steps: &[Step], mut here: Here) -> Result<(), RecipeError> {
        here.stage = Some(stage);
        let anchor = Anchor::Stage(stage);
        self.run_hooks(Moment::Before, &anchor, &here)?;
        self.script.acts.push(Act::Enter(stage));
        self.steps(steps, &here)?;
        self.script.acts.push(Act::Leave(stage));
        self.run_hooks(Moment::After, &anchor, &here)
    }

    fn task(
        &mut self,
        step: &Step,
        name: &str,
        with: &[With],
        here: &Here,
    ) -> Result<(), RecipeError> {
        if self.book.is_built_in(name) {
            let anchor = Anchor::Task(name.to_owned());
            self.run_hooks(Moment::Before, &anchor, here)?;
            self.write(step, here)?;
            return self.run_hooks(Moment::After, &anchor, here);
        }
        if !self.book.has(name) {
            let nearest = nearest(name, self.book.tasks()).map(str::to_owned);
            return Err(RecipeError::at(
                &step.at,
                Problem::NoTask { name: name.to_owned(), nearest },
            ));
        }
        if let Some(start) = self.calls.iter().position(|call| call == name) {
            let names = self.calls[start..].iter().map(String::as_str).chain([name]);
            let problem = Problem::TaskCircle(names.collect::<Vec<_>>().join(" > "));
            return Err(RecipeError::at(&step.at, problem));
        }
        if self.script.frames.len() >= MOST_STEPS {
            return Err(RecipeError::at(&step.at, Problem::TooManySteps(MOST_STEPS)));
        }
        let setting = |with: &With| {
            (with.key.clone(), Setting { at: with.at.clone(), value: with.value.clone() })
        };
        let with = with.iter().map(setting).collect();
        self.call(self.book.recipe(name)?, Call { name, with, caller: Some(here.frame) }, here)
    }

    fn write(&mut self, step: &Step, here: &Here) -> Result<(), RecipeError> {
        if self.script.acts.len() + self.script.failed.len() >= MOST_STEPS {
            return Err(RecipeError::at(&step.at, Problem::TooManySteps(MOST_STEPS)));
        }
        let Here { frame, guards, stage, hook, no_log, recipe } = here.clone();
        let step = step.clone();
        self.script.acts.push(Act::Do(Box::new(Action {
            step,
            frame,
            guards,
            stage,
            hook,
            no_log,
            recipe,
        })));
        Ok(())
    }

    /// The hooks of one thing. Those of the calling recipe stand outside of those of the called one.
    fn run_hooks(&mut self, when: Moment, anchor: &Anchor, here: &Here) -> Result<(), RecipeError> {
        let mut hooks: Vec<Bound> = self.hooks.clone();
        hooks.retain(|bound| bound.hook.when == when && bound.hook.anchor == *anchor);
        if when == Moment::After {
            hooks.sort_by_key(|bound| std::cmp::Reverse(bound.frame.0));
        }
        hooks.iter().try_for_each(|bound| self.run_hook(bound, here.stage, here))
    }

    fn run_hook(
        &mut self,
        bound: &Bound,
        stage: Option<Stage>,
        here: &Here,
    ) -> Result<(), RecipeError> {
        if self.active.iter().any(|hook| Arc::ptr_eq(hook, &bound.hook)) {
            return Ok(());
        }
        let tie = (bound.hook.when, bound.hook.anchor.clone());
        let recipe = bound.recipe.clone();
        let inner = Here { frame: bound.frame, stage, hook: Some(tie), recipe, ..here.clone() };
        self.active.push(Arc::clone(&bound.hook));
        let written = self.steps(&bound.hook.steps, &inner);
        self.active.pop();
        written
    }

    fn check_hooks(&self, hooks: &[Hook]) -> Result<(), RecipeError> {
        for hook in hooks {
            let Anchor::Task(name) = &hook.anchor else { continue };
            if !self.book.is_built_in(name) && !self.book.has(name) {
                let stages = Stage::ALL.iter().map(|stage| stage.as_str());
                let nearest = nearest(name.as_str(), stages.chain(self.book.tasks()));
                let problem =
                    Problem::NoAnchor { name: name.clone(), nearest: nearest.map(str::to_owned) };
                return Err(RecipeError::at(&hook.at, problem));
            }
        }
        Ok(())
    }
}

/// Steps of one script, to end where recipes call each other without end in sight.
const MOST_STEPS: usize = 10_000;
