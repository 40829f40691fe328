"""The program with Binance's weight limit out of the way, for measurements that the limit would end.

    python -m benchmarks.unbound plan states/

There is no such setting, on purpose: the limit is the exchange's. This replaces the one constant before anything reads
it, and runs the command line as it is.
"""

from dataclasses import replace

from reconcile.__main__ import main
from reconcile.exchanges.binance import dialect

PLENTY = 10**9

if __name__ == "__main__":
    dialect.WEIGHT = replace(dialect.WEIGHT, capacity=PLENTY)
    dialect.BinanceDialect.time_charges = dialect.weight_of(1)
    main()
