//! `apply`: lock, ledger, survey, plan, send, report, in this order.
//!
//! Nothing is sent before the plan is made and the person, if there is one at a terminal, has
//! agreed. Every way out that has a run directory leaves a `summary.json` there; the ways out
//! before it (usage, configuration, the lock) leave a message and a number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Local, SecondsFormat, Utc};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;
use tracing::{error, info};

use super::plan;
use crate::canary::Canary;
use crate::cli::account::{account, find_keys, open_keys};
use crate::cli::args::ApplyArgs;
use crate::cli::exit::Exit;
use crate::cli::guards::shrank;
use crate::cli::lock;
use crate::cli::log::Log;
use crate::cli::metrics;
use crate::cli::notify;
use crate::cli::outlook;
use crate::cli::ping::Ping;
use crate::cli::printer::{Printer, must_ask, on_one_line, question, start_log};
use crate::cli::prune::prune;
use crate::cli::settings::{Origin, Settings, System};
use crate::cli::unattended::{Unattended, line};
use crate::clock::{Clock, Deadline};
use crate::engine::Engine;
use crate::event::{Event, Fanout, Observer, StopCause};
use crate::lang::{Lang, count};
use crate::ledger::{Account, Ledger, NewRun};
use crate::model::Counts;
use crate::plan::Plan;
use crate::plan::rows::Rows;
use crate::prepare::{self, Opened, PrepareError};
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::report::excel;
use crate::report::page;
use crate::report::repeat::PROGRAM;
use crate::report::results::{self, ResultFiles};
use crate::report::summary::{
    Calls, FAILURE_CODES, InputName, LedgerUsed, Pace, SCHEMA_VERSION, Summary,
};
use crate::report::tally::Tally;
use crate::report::words::{last_words, reason};
use crate::run::Run;
use crate::signals;
use crate::state::{StateDir, make_private_dir, point_latest};
use crate::tencent::client::{HttpSettings, HttpTransport};
use crate::tencent::credentials::Found;
use crate::tencent::endpoint::Endpoint;

/// How an `apply` ended.
#[derive(Debug)]
pub struct Done {
    /// The number for the caller.
    pub exit: Exit,
    /// The summary and the run's directory, where it got that far.
    pub summary: Option<(Summary, PathBuf)>,
}

/// The command itself: settings and keys from the surroundings, then [`run`].
///
/// # Errors
/// Those of [`run`], and usage or configuration.
pub async fn main(args: &ApplyArgs) -> Result<Exit, (Exit, anyhow::Error)> {
    let usage = |error: anyhow::Error| (Exit::Usage, error);
    let mut settings = Settings::resolve(args, &System).map_err(|error| usage(error.into()))?;
    if settings.dry_run {
        return plan::run(&settings, &System).await;
    }
    if args.show.is_some() {
        return Err(usage(anyhow!(
            "--show: shows what would be sent, and this would send it\nhint: add --dry-run, or use lcic-sync plan"
        )));
    }
    follow_latest(&mut settings);
    let settings = &settings;
    let Unattended { cron, log_file, .. } = &settings.unattended;
    let printer = Printer::new(settings.quiet, settings.verbose)
        .speaking(settings.lang)
        .logged(log_file.is_some());
    let printer = &printer;
    lock::check_outputs(settings).map_err(usage)?;
    if let Some(directory) = log_file.as_deref().and_then(Path::parent)
        && directory == settings.state_dir
    {
        // The log's place by default; what is wrong with it is told by who needs it more.
        let _ = make_private_dir(directory);
    }
    start_log(printer, &settings.unattended, &System).map_err(usage)?;
    if let Some(file) = &settings.config_file {
        // One that was not asked for may be a surprise.
        printer.say(&settings.lang.settings_from(file.display()));
    }
    let ping = Ping::start(settings, printer);
    let done = match find_keys(&System) {
        Ok(keys) => run(settings, keys, printer).await,
        Err(error) => Err(usage(error)),
    };
    let (exit, summary) = match &done {
        Ok(Done { exit, summary }) => (*exit, summary.as_ref().map(|(summary, _)| summary)),
        Err((exit, _)) => (*exit, None),
    };
    if let Some(path) = &settings.unattended.metrics_file
        && let Err(error) = metrics::save(path, &settings.state_dir, exit, summary, Utc::now())
    {
        printer.warn(&format!("--metrics-file {}: {error}", path.display()));
    }
    notify::tell(settings, exit, summary, printer).await;
    if let Some(ping) = ping {
        ping.end(exit, summary, printer).await;
    }
    match done {
        Ok(_) => Ok(exit),
        Err((exit, error)) => {
            let line = on_one_line(&error);
            if log_file.is_some() {
                error!("{line}");
            }
            Err((exit, if *cron { anyhow!(line) } else { error }))
        }
    }
}

/// Names the inputs that lie among the reports by where they really are: `latest` will point to
/// the run that is about to begin, and the same command must still mean the same file.
fn follow_latest(settings: &mut Settings) {
    let Ok(reports) = fs::canonicalize(&settings.report_dir) else {
        return;
    };
    let names = settings.inputs.iter_mut().zip(&mut settings.repeat.files);
    for (input, file) in names {
        if let Ok(path) = fs::canonicalize(&*input)
            && path.starts_with(&reports)
        {
            *input = path.to_string_lossy().into_owned();
            file.clone_from(input);
        }
    }
}

/// Applies the files of `settings` with keys that were found already.
///
/// # Errors
/// For everything that ends the command before it has a run directory: exit 2 or 11.
pub async fn run(
    settings: &Settings,
    keys: Found,
    printer: &Printer,
) -> Result<Done, (Exit, anyhow::Error)> {
    let usage = |error| (Exit::Usage, error);
    // Resolved once, before anything that may take long.
    let until = settings.until;
    let until = until.map(|until| Deadline::until(until, &Local::now()));
    let endpoint = endpoint(settings).map_err(usage)?;
    for warning in &keys.warnings {
        printer.warn(warning);
    }
    let keys = open_keys(keys, settings).await.map_err(usage)?;
    let label = settings.account.as_deref();
    let account = account(label, endpoint.host_header(), keys.identity()).map_err(usage)?;
    let clock = Clock::start();
    let transport = HttpTransport::new(HttpSettings {
        endpoint: endpoint.clone(),
        keys,
        timeout: settings.timeout,
        concurrency: settings.limits.concurrency,
        extra_ca: settings.ca_file.clone(),
        wall_clock: Arc::new(Utc::now),
    })
    .map_err(|error| usage(error.into()))?;
    let mut signals = signals::listen()
        .context("cannot listen for signals")
        .map_err(|error| (Exit::Internal, error))?;
    let mut state = lock::take(settings, printer, &mut signals).await?;
    let started_at = clock.wall_now();
    let run_id = run_id(started_at);
    let dir = settings.report_dir.join(&run_id);
    make_private_dir(&dir)
        .with_context(|| format!("{}", dir.display()))
        .map_err(usage)?;
    // Who finds the lock taken would like to know by whom, but no run fails for it.
    let _ = state.say_holder(
        &run_id,
        &started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    );

    let mut applying = Applying {
        settings,
        printer,
        endpoint,
        account,
        clock,
        started_at,
        run_id,
        dir,
        ledger_path: state.ledger(),
        ledger_is_new: false,
        signals: Some(signals),
        until: earlier(until, settings.max_duration, started_at),
        run: None,
        record_agrees: true,
        tally: Arc::default(),
    };
    let (counts, stopped, refused) = match applying.go(&state, transport).await {
        Ok((counts, stopped)) => (counts, stopped, None),
        Err(Refused::Stopped(cause)) => (Counts::default(), Some(cause), None),
        Err(Refused::Because(error)) => (Counts::default(), None, Some(error)),
    };
    let done = applying.finish(counts, stopped, refused);
    if let Some(keep) = settings.unattended.keep_runs {
        let (reports, ledger) = (&settings.report_dir, state.ledger());
        match prune(reports, &ledger, keep, &settings.inputs) {
            Ok(0) => {}
            Ok(n_runs) => printer.detail(&format!(
                "removed the directories of {}",
                count(n_runs as u64, "old run")
            )),
            Err(error) => printer.warn(&format!("--keep-runs: {error}")),
        }
    }
    Ok(done)
}

/// Of `--until`, as far as it was resolved, and `--max-duration` the one that comes first.
pub(super) fn earlier(
    until: Option<Result<Deadline, Deadline>>,
    max_duration: Option<Duration>,
    started_at: DateTime<Utc>,
) -> Result<Option<Deadline>, Deadline> {
    let max_duration = max_duration.and_then(|longest| {
        started_at.checked_add_signed(chrono::TimeDelta::from_std(longest).ok()?)
    });
    let by_duration = max_duration.map(|at| Deadline::new(at, &started_at.with_timezone(&Local)));
    let both = [until.transpose()?, by_duration];
    Ok(both
        .into_iter()
        .flatten()
        .min_by_key(|deadline| deadline.at))
}

/// The ways out between the lock and the first call.
enum Refused {
    /// The input, the ledger or the person says no: exit 4.
    Because(anyhow::Error),
    /// A signal came, or the time was up before it began.
    Stopped(StopCause),
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Self::Because(error)
    }
}

impl From<PrepareError> for Refused {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Signal(signal) => Self::Stopped(StopCause::Signal(signal)),
            error => Self::Because(error.into()),
        }
    }
}

struct Applying<'a> {
    settings: &'a Settings,
    printer: &'a Printer,
    endpoint: Endpoint,
    account: Account,
    clock: Clock,
    started_at: DateTime<Utc>,
    run_id: String,
    dir: PathBuf,
    ledger_path: PathBuf,
    ledger_is_new: bool,
    signals: Option<UnboundedReceiver<i32>>,
    /// When to stop sending, or the next such time, where it is too far away to mean this run.
    until: Result<Option<Deadline>, Deadline>,
    /// The run's number, once it has one.
    run: Option<u32>,
    /// Whether the record says the same as the counts.
    record_agrees: bool,
    tally: Arc<Mutex<Tally>>,
}

impl Applying<'_> {
    async fn go(
        &mut self,
        state: &StateDir,
        transport: HttpTransport,
    ) -> Result<(Counts, Option<StopCause>), Refused> {
        let until = self
            .until
            .clone()
            .map_err(|next| outlook::window_is_over(&next, Lang::En))
            .map_err(|why| Refused::Stopped(StopCause::TimeUp(why)))?;
        let path = state.ledger();
        let endpoint = self.endpoint.to_string();
        let lang = self.settings.lang;
        let now = self.clock.wall_now();
        let Opened {
            ledger,
            is_new,
            recovered,
        } = prepare::open_ledger(&path, &self.account, &endpoint, now)?;
        self.ledger_is_new = is_new;
        for killed in &recovered {
            outlook::tell_recovered(self.printer, killed);
            self.warn_of_page(&killed.report_dir, page::make(&killed.report_dir, lang));
        }
        let (inputs, wishes) = (&self.settings.inputs, self.settings.wishes);
        let signals = self.signals.as_mut().expect("listened to since the start");
        let planned = prepare::make_plan(
            inputs,
            &self.settings.rules,
            wishes,
            state.spool(),
            ledger,
            signals,
        );
        let (ledger, plan) = planned.await?;
        if is_new {
            self.printer.say(&lang.new_ledger(path.display()));
        }
        outlook::tell_findings(self.printer, plan.survey(), lang.see_results());
        let before = ledger.rows_of_last_run(inputs);
        let before = before.map_err(PrepareError::from)?;
        if let Some(warning) = shrank(plan.settled.read, before, lang) {
            self.printer.warn(&warning);
        }
        let rate = self.settings.limits.rate;
        outlook::tell_plan(self.printer, &plan, &endpoint, rate);
        if let Some(until) = &until {
            outlook::tell_fit(self.printer, &plan, rate, until, self.clock.wall_now());
        }
        let guarded = self.settings.guards.check(&plan);
        guarded.map_err(|error| Refused::Because(error.into()))?;
        if !self.is_agreed(&plan).await? {
            return Err(Refused::Because(anyhow!("not confirmed")));
        }
        self.send(ledger, plan, until, transport).await
    }

    async fn send(
        &mut self,
        mut ledger: Ledger,
        plan: Plan,
        until: Option<Deadline>,
        transport: HttpTransport,
    ) -> Result<(Counts, Option<StopCause>), Refused> {
        let files = ResultFiles::create(&self.dir, &plan.survey().sources, &self.run_id)
            .with_context(|| format!("{}", self.dir.display()))?;
        point_latest(&self.settings.report_dir, &self.run_id)
            .with_context(|| format!("{}/latest", self.settings.report_dir.display()))?;
        // The last thing that can refuse: a run that has begun ends, or was killed.
        let begun = ledger.begin_run(
            &NewRun {
                run_id: &self.run_id,
                started_at: self.started_at,
                input: &self.settings.inputs,
                report_dir: &self.dir,
                counts: plan.settled,
            },
            &plan.closes,
        );
        self.run = Some(begun.map_err(PrepareError::from)?);
        let mut engine = Engine::new(self.settings.limits);
        let known = ledger.limit(self.started_at).map_err(PrepareError::from)?;
        if let Some(limit) = known {
            engine.know_limit(limit);
            outlook::tell_limit(self.printer, limit, self.settings.limits.rate);
        }
        // The run counts from the start of sending, not from that of the survey.
        let clock = Clock::start();
        let run = Run {
            engine,
            recorder: Recorder::new(ledger, files, plan.settled),
            rows: Rows::new(plan),
            transport: Arc::new(transport),
            clock,
            until,
            observers: Box::new(self.observers()),
            canary: self.settings.canary.map(Canary::new),
        };
        let signals = self.signals.take().expect("listened to since the start");
        let mut ended = run.go(signals).await;
        if let Some(recorder) = ended.recorder.take() {
            let mut ledger = recorder.into_ledger();
            let cause = ended.cause();
            let exit = Exit::of_run(&ended.counts, cause.as_ref(), !ended.agrees);
            let stopped_by = self.stopped_by(&ended.counts, cause.as_ref());
            let now = self.clock.wall_now();
            let learned = self
                .tally
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .limit();
            let noted = learned.map_or(Ok(()), |limit| ledger.note_limit(limit, now));
            let closed = ledger.end_run(
                self.run.expect("numbered before it was sent"),
                now,
                ended.counts,
                stopped_by,
                exit.number(),
            );
            // The next run will find it open, and must not be the first to say so.
            if let Err(error) = noted.and(closed) {
                ended.not_recorded = Some(error.to_string());
            }
        }
        let cause = ended.cause();
        self.record_agrees = ended.agrees;
        if let Some(seen) = &ended.not_recorded
            && !matches!(cause, Some(StopCause::NotRecorded(_)))
        {
            self.printer.warn(&format!(
                "the end of this run could not be recorded, the next one will look into it: {seen}"
            ));
        }
        Ok((ended.counts, cause))
    }

    fn observers(&self) -> Fanout {
        let face = self.printer.face(self.settings.progress);
        let rate = self.settings.limits.rate;
        Fanout(vec![
            Box::new(Shared(self.tally.clone())),
            Box::new(Log::new(&self.settings.inputs)),
            Box::new(Progress::new(
                face,
                self.printer.screen(),
                rate,
                self.settings.lang,
            )),
        ])
    }

    /// Whether a person at a terminal agrees to a large run; without one nothing ever asks.
    async fn is_agreed(&mut self, plan: &Plan) -> Result<bool, Refused> {
        if !must_ask(plan.changes, self.endpoint.is_loopback(), self.settings.yes) {
            return Ok(true);
        }
        let lang = self.settings.lang;
        let place = lang.place_as(&self.endpoint, &self.account.label);
        let question = question(plan.changes, plan.rows_to_send(), &place, lang);
        let printer = self.printer.clone();
        let signals = self.signals.as_mut().expect("listened to since the start");
        // The answer is waited for elsewhere, so that Ctrl-C is one, too.
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => {
                self.printer.screen().line("");
                Err(Refused::Stopped(StopCause::Signal(signal)))
            }
            agreed = spawn_blocking(move || printer.confirm(&question)) => {
                Ok(agreed.expect("asking does not panic"))
            }
        }
    }

    fn stopped_by(&self, counts: &Counts, stopped: Option<&StopCause>) -> Option<&'static str> {
        match stopped {
            Some(cause) => Some(cause.name()),
            None if counts.pending > 0 => Some("limit"),
            None => None,
        }
    }

    /// The parts of the summary that are known from the start.
    fn summary(&self) -> Summary {
        Summary {
            schema_version: SCHEMA_VERSION,
            run_id: self.run_id.clone(),
            run: self.run,
            input: InputName::all(&self.settings.inputs),
            account: Some(self.account.shown()),
            endpoint: self.endpoint.to_string(),
            ledger: LedgerUsed {
                path: self.ledger_path.clone(),
                new: self.ledger_is_new,
            },
            started_at: self.started_at,
            ended_at: self.clock.wall_now(),
            seconds: (self.clock.now().as_secs_f64() * 1000.0).round() / 1000.0,
            counts: Counts::default(),
            calls: Calls::default(),
            pace: Pace::default(),
            stopped_by: None,
            message: None,
            failures: Vec::new(),
            exit_code: 0,
        }
    }

    /// Writes the summary and says the last words.
    fn finish(
        &self,
        counts: Counts,
        stopped: Option<StopCause>,
        refused: Option<anyhow::Error>,
    ) -> Done {
        let lang = self.settings.lang;
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let told_otherwise = self.run.is_some() && tally.counts() != counts;
        let is_a_bug = told_otherwise || !self.record_agrees;
        let mut exit = Exit::of_run(&counts, stopped.as_ref(), is_a_bug);
        if refused.is_some() {
            exit = Exit::Refused;
        } else if self.run.is_none() {
            // Nothing was read, so everything is left.
            match stopped {
                Some(StopCause::Signal(number)) => exit = Exit::of_signal(number),
                Some(_) => exit = Exit::StoppedEarly,
                None => {}
            }
        }
        let message = match (&refused, &stopped) {
            (Some(error), _) => Some(format!("{error:#}")),
            (None, Some(cause)) => Some(reason(cause)),
            (None, None) => None,
        };
        let stopped_by = match &refused {
            Some(_) => Some("refused"),
            None => self.stopped_by(&counts, stopped.as_ref()),
        };
        let mut summary = Summary {
            counts,
            calls: tally.calls().clone(),
            pace: tally.pace(self.settings.limits.rate.get()),
            stopped_by: stopped_by.map(Into::into),
            message,
            failures: tally.failures(FAILURE_CODES),
            exit_code: exit.number(),
            ..self.summary()
        };
        if let Err(error) = summary.save(&self.dir) {
            let path = self.dir.display();
            self.printer.error(&anyhow!(
                "{path}: summary.json could not be written: {error}"
            ));
            if matches!(exit, Exit::Done | Exit::SomeFailed) {
                exit = Exit::StoppedEarly;
                summary.exit_code = exit.number();
            }
        }
        if self.run.is_some() {
            let kept = tally.timeline().save(&self.dir);
            self.warn_of_page(&self.dir, kept.and_then(|_| page::make(&self.dir, lang)));
        }
        if self.settings.excel && self.run.is_some() {
            for name in [results::RESULTS, results::FAILURES] {
                let copy = self.dir.join(name).with_extension("excel.csv");
                if let Err(error) = excel::copy(&self.dir.join(name), &copy) {
                    self.printer.warn(&format!("{}: {error}", copy.display()));
                }
            }
        }
        info!("{}", line(exit, &summary, &self.dir, Lang::En));
        let words = match self.settings.unattended.cron {
            true => format!("{PROGRAM}: {}\n", line(exit, &summary, &self.dir, lang)),
            false => last_words(&summary, &self.dir, &self.settings.repeat, lang),
        };
        self.printer.last_words(&words, exit);
        if self.settings.json
            && let Err(error) = self.printer.data(&summary.to_json())
        {
            self.printer
                .warn(&format!("the summary could not be printed: {error}"));
        }
        Done {
            exit,
            summary: Some((summary, self.dir.clone())),
        }
    }

    /// A page is for looking at: that it could not be made is no reason to fail.
    fn warn_of_page(&self, directory: &Path, made: io::Result<PathBuf>) {
        if let Err(error) = made {
            let directory = directory.display();
            self.printer.warn(&format!(
                "{directory}: report.html could not be made: {error}"
            ));
        }
    }
}

/// Lets the tally be read when the run has given up its observers.
struct Shared(Arc<Mutex<Tally>>);

impl Observer for Shared {
    fn on(&mut self, at: Duration, event: &Event) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.on(at, event);
    }
}

/// The endpoint, checked.
///
/// # Errors
/// When it is none; says where it stands.
pub(super) fn endpoint(settings: &Settings) -> anyhow::Result<Endpoint> {
    Endpoint::parse(&settings.endpoint)
        .map_err(|error| anyhow!("{}: {error}", endpoint_named(settings)))
}

fn endpoint_named(settings: &Settings) -> String {
    // What stands before an @ may be a password.
    let endpoint = match settings.endpoint.contains('@') {
        true => "…@…",
        false => &settings.endpoint,
    };
    match settings.origins.of("endpoint") {
        Origin::Flag(_) | Origin::Default => format!("--endpoint {endpoint}"),
        origin => format!("{origin}: endpoint {endpoint}"),
    }
}

/// The run's name: its time, and four characters so that two of one second differ.
fn run_id(at: DateTime<Utc>) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random: [u8; 4] = rand::random();
    let tail: String = random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect();
    format!("{}-{tail}", at.format("%Y%m%dT%H%M%SZ"))
}
