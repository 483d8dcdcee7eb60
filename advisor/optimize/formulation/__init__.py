"""The allocation problem as a mixed-integer programme in arrays; nobody else speaks to a solver.

One programme, whoever solves it: HiGHS is handed the arrays (:mod:`.solver`), any other solver a PuLP problem
made of the very same (:mod:`.pulp_solver`).

Sets        s services   b demands (merged)   c candidates   p kinds of instance (candidates that work alike)
            k degrees   l places   j streams of a service's requests   q quota pools   e cases on bad days
Parameters  usd_per_hour[c]  slots[p,k]  replicas_needed[p,s,k,b]  units[c,q]  free_units[q]  max_instances[c]
Variables   instances[c] integer, 0 to max_instances   replicas[p,s,k] integer   share[p,k,b] >= 0
            flow[b,j,l] >= 0
Minimise    fleet_cost    sum over c of usd_per_hour · instances
          + side_cost     sum over p, k, b of the dollars that serving all of b there costs besides · share
          + change_cost   (usd_per_added · added + usd_per_removed · removed) / horizon_hours

Every day    serve_demand[b]            sum over p, k of share = 1
             serve_stream[b,j]          sum over l of flow = the stream's share of the service
             route[b,l]                 sum over p at l, k of share = sum over j of flow
             replica_capacity[p,s,k]    sum over b of replicas_needed · share <= replicas
             presence[p,s,k,b]          share <= replicas, where replicas_needed is tiny
             accelerator_packing[p,k]   sum over s, k' >= k of (k'/k) · replicas <= slots · instances
Purchase     quota[q]                   sum over c of units · instances <= free_units
Rules        min_replicas[s]            sum over p, k of replicas >= min_replicas
             most_distinct[kind]        sum over groups of present <= most
             group_present[kind,g,c]    instances <= max_instances · present
             departure[c]               instances - added + removed = held
             budget                     fleet_cost + side_cost <= budget_usd_per_hour
             enough_served              sum of weight · demand · share >= the most that can be served
             known_bound                the cost is no less than what is proved of it
             enough_work                sum over p, s, k of weight · replicas >= what the demands weigh
Bad days     the rows of every day once more per case, share = keeps, on what still stands:
             left_standing[e,p]         left <= instances - lost + most_lost · none
             left_none[e,p]             left <= most · (1 - none)

``replicas_needed[p,s,k,b]`` is demand / (utilisation ceiling · requests_per_s): what would carry all of b, so
that load = share · demand. Loads of different demands on one replica add up linearly: a router that splits
a stream by weight gives every replica of a pool the same mix, so a pool is full when the shares of its time
sum to its size. On a bad day it is multiplied by the demand factor, and taken at the low end of the error
band for what is in doubt.

``slots[p,k]`` is floor(accelerators / k). A kind with one use needs no replica variables: its ``replicas``
is slots · instances, and it has no packing rows. Routing rows exist for services with several streams only.

The packing rows are exact where the degrees form a chain of divisors, whatever services the replicas serve.
Necessary: at degree k a replica of degree k' >= k takes k'/k of the slots. Sufficient: place replicas in
falling order of degree. When one of degree k is to be placed, every instance is filled by multiples of k, so
it has no room only if all floor(g/k) of its slots are taken; if no instance has room, the row of k was
already full. The row of K follows from that of a smaller k, and is left out, where
k · floor(g/k) = K · floor(g/K).

Column names are short and unique (i0, r0_0_4, s0_4_12, f12_1_0, and e1s0_4_12 in the first case) because the
LP format rewrites punctuation; candidates are numbered in order of their ids.
"""

from __future__ import annotations

from advisor.optimize.day import SMALLEST_COEFFICIENT
from advisor.optimize.formulation.case import Case, is_lost, needed_on, survivors
from advisor.optimize.formulation.families import (
    TINY_WORK,
    WorkCut,
    needed_packing_rows,
    quota,
    stock_label,
)
from advisor.optimize.formulation.programme import (
    Programme,
    balanced_routing,
    cheapest_fleet,
    cheapest_routing,
    fleet_cost,
    least_additions,
    most_kept,
    most_served,
    most_worthwhile,
)
from advisor.optimize.formulation.relaxation import Relaxed, nearest_first, relax
from advisor.optimize.formulation.run import ProgrammeAnswer, answer_of, point_of, run
from advisor.optimize.formulation.solver import (
    HIGHS,
    SECOND_OPINION,
    Highs,
    RawAnswer,
    Solver,
    SolverVerdict,
)
from advisor.optimize.formulation.warm_routing import Routed, WarmRouting
from advisor.optimize.formulation.work_cuts import work_cut

__all__ = [
    "HIGHS",
    "SECOND_OPINION",
    "SMALLEST_COEFFICIENT",
    "TINY_WORK",
    "Case",
    "Highs",
    "Programme",
    "ProgrammeAnswer",
    "RawAnswer",
    "Relaxed",
    "Routed",
    "Solver",
    "SolverVerdict",
    "WarmRouting",
    "WorkCut",
    "answer_of",
    "balanced_routing",
    "cheapest_fleet",
    "cheapest_routing",
    "fleet_cost",
    "is_lost",
    "least_additions",
    "most_kept",
    "most_served",
    "most_worthwhile",
    "nearest_first",
    "needed_on",
    "needed_packing_rows",
    "point_of",
    "quota",
    "relax",
    "run",
    "stock_label",
    "survivors",
    "work_cut",
]
