//! From a command to the file that does it, and from its outcome to the exit code.

use super::{
    bench, compare, completions, cost, explain, export, gate, hunt, import, plan, plan_file,
    replay, run, scenarios, schema, serve, sweep,
};
use crate::args::{self, Command, Context, Parsed};
use crate::exit::Exit;
use crate::failure::Failure;
use std::ffi::OsString;

/// Runs the program with these words, its own name first.
pub(crate) fn main(words: impl IntoIterator<Item = OsString>) -> Exit {
    match args::parse(words) {
        Parsed::Command(context, command) => {
            run_command(*command, &context).unwrap_or_else(|failure| fail(&context, &failure))
        }
        Parsed::Page(page) => {
            // A reader that went away is no error.
            let _ = page.print();
            Exit::Ok
        }
        Parsed::Refused(context, error) => refuse(&context, &error),
        Parsed::Senseless(context, failure) => fail(&context, &failure),
    }
}

fn run_command(command: Command, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    match command {
        Command::Run(args) => run::run(&args, output),
        Command::Hunt(args) => hunt::hunt(&args, output),
        Command::MergeHunts(dirs, out) => hunt::merge(&dirs, out, output),
        Command::Replay(args) => replay::replay(&args, output),
        Command::Explain(args) => explain::explain(&args, output),
        Command::Compare(args) => compare::compare(&args, context),
        Command::Gate(args) => gate::gate(&args, context),
        Command::Sweep(args) => sweep::sweep(&args, context),
        Command::Plan(args) => plan::plan(&args, context),
        Command::PlanFile(path) => plan_file::plan(&path, context),
        Command::Cost(args) => cost::cost(&args, output),
        Command::Import(args) => import::import(&args, output),
        Command::Export(args) => export::export(&args, output),
        Command::Serve(args) => serve::serve(&args, output),
        Command::Bench(args) => bench::bench(&args, context),
        Command::ListScenarios => scenarios::list(output),
        Command::ShowScenario(name) => scenarios::show(&name, output),
        Command::Schema(of) => schema::schema(of, output),
        Command::Completions(shell) => completions::completions(shell, output),
    }
}

fn fail(context: &Context, failure: &Failure) -> Exit {
    failure.report(context.output, &context.invocation);
    failure.exit()
}

/// Words that clap refuses: its own text has the place and the suggestion.
fn refuse(context: &Context, error: &clap::Error) -> Exit {
    let rendered = error.render();
    let text = if context.output.errors_coloured() {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    };
    let first = rendered.to_string().lines().next().unwrap_or_default().to_owned();
    let message = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    let failure = Failure::usage(message).rendered(text);
    fail(context, &failure)
}
