"""A program that holds a local Ray cluster of two nodes with one processor each: tests run it beside them.

It prints a line of JSON: the address, and the processes of the second node. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    second = cluster.add_node(**NODE)
    processes = [info.process.pid for infos in second.all_processes.values() for info in infos]
    print(json.dumps({"address": cluster.address, "second": processes}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
