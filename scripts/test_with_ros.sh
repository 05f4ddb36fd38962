#!/usr/bin/env bash
# Where ROS 2 is installed: builds the package with colcon and runs the tests that need ROS.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${AMENT_PREFIX_PATH:-}" ]; then
    setup=$(ls /opt/ros/*/setup.bash 2>/dev/null | tail -n 1 || true)
    if [ -z "$setup" ]; then
        echo "ROS 2 was not found (no sourced shell, nothing in /opt/ros): the tests of the rclpy" \
            "node, the launch file and the ros2 tools did not run."
        exit 0
    fi
    set +u
    # shellcheck disable=SC1090
    source "$setup"
    set -u
fi
if ! .venv/bin/python -c "import rclpy"; then
    echo "rclpy of this ROS 2 (${ROS_DISTRO:-unknown}) cannot be imported by $(.venv/bin/python --version)" \
        "in .venv: the tests that need ROS did not run. Make .venv with ROS's own Python: make clean" \
        "test PYTHON=python3.x" >&2
    exit 1
fi

colcon=$(command -v colcon || true)
if [ -z "$colcon" ]; then
    # shellcheck disable=SC2086  (PIP_ARGS is a list of words)
    .venv/bin/python -m pip install --quiet ${PIP_ARGS:-} colcon-common-extensions
    colcon=$PWD/.venv/bin/colcon
fi
"$colcon" --log-base build/ros/log build --base-paths . \
    --build-base build/ros/build --install-base build/ros/install
set +u
# shellcheck disable=SC1091
source build/ros/install/setup.bash
set -u
# The installed node is started by `env python3`, which has to be the one with torch.
PATH=$PWD/.venv/bin:$PATH .venv/bin/python -m pytest -p no:launch_testing -p no:launch_ros \
    test/test_ros_launch.py test/test_ros_interfaces.py test/test_ros_vendors.py test/test_dds_ros2.py test/test_dds_types.py
