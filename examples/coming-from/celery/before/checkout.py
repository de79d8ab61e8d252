from shop import charge

results = [charge.delay(order, 10 * order) for order in (1, 2, 3)]
for result in results:
    print(result.get(timeout=300))
