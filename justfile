# The commands of everyday work. `just` lists them; each line also runs as it stands in a shell.

# list the recipes
default:
    @just --list

# the whole relay on this machine, until Ctrl-C
run *arguments:
    cargo run -- {{ arguments }}

# all tests
test *arguments:
    cargo test {{ arguments }}

# breaks the relay on purpose and counts what came of every message (docs/CHAOS.md)
chaos *arguments="run":
    cargo run -p relay-chaos -- {{ arguments }}

# the whole relay in simulated worlds, as many as asked for (docs/SIMULATION.md)
sim seeds="2000":
    SIM_SEEDS={{ seeds }} cargo test \
        --config profile.dev.package.relay-core.opt-level=2 --config profile.dev.package.relay-testkit.opt-level=2 \
        --config profile.dev.package.relay-ingest.opt-level=2 --config profile.dev.package.relay-worker.opt-level=2 \
        --config profile.dev.package.relay-operate.opt-level=2 --config profile.dev.package.relay-tests.opt-level=2 \
        -p relay-tests --test simulation random_worlds -- --nocapture

# breaks the code on purpose, one way after the other; the simulation has to notice each (docs/SIMULATION.md)
mutants *arguments:
    scripts/mutants {{ arguments }}

# every check a change has to pass; `just ci fmt arrows` runs only these
ci *steps:
    .ci/run {{ steps }}

# what each deployed function is made of, as CycloneDX lists in target/sbom (needs cargo-cyclonedx)
sbom:
    scripts/sbom

# what the compiler and the style checks say
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# the deployable package; the architecture is arm64, as the template has it, or x86_64
build architecture="arm64":
    AWS_LC_SYS_NO_JITTER_ENTROPY=1 sam build --parameter-overrides Architecture={{ architecture }}

# build and deploy; the preset is default, dev, staging or production (samconfig.toml)
deploy preset="default": build
    sam deploy --config-env {{ preset }}
