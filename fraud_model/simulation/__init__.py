"""The parts of the simulator; `fraud_model.simulate` is its door.

population.py   who there is: customers with habits, employers, landlords, merchants, cash points
routine.py      everyday rows: shopping, salaries, rents, bills, invoices; the shift of behaviour
stories.py      how a scripted run of payments over several days is written down and placed in time
typologies.py   the six kinds of fraud
lookalikes.py   legitimate stories that look like them
ledger.py       balances: every account's money, row by row
"""
