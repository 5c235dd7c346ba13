# The same scripts that CI and the README use; `just` alone lists them.

_default:
    @just --list

# install what building needs
setup:
    ./scripts/setup

# run smista from the source tree: just run demo
run *ARGS:
    ./scripts/smista {{ARGS}}

# every check, with a RabbitMQ and a PostgreSQL of its own
test *FILTER:
    ./scripts/test {{FILTER}}

# format check and unit tests, without libtorch and servers
quick:
    ./scripts/test --quick

# format the code
fmt:
    cargo fmt

# a Debian package and a tar archive, into target/package
package:
    ./scripts/package

# build the container image
image:
    docker build -t smista --build-arg SMISTA_COMMIT="$(git log -1 --format='%h of %as')" .
