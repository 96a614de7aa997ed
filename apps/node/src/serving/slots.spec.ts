import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Slots } from './slots.js';

it('are a map whose numbers stay as small as what is inside', () => {
  const step = fc.oneof(fc.constant('add' as const), fc.nat({ max: 12 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const slots = new Slots<{ readonly id: number; readonly name: number }>();
      const model = new Map<number, number>();
      let most = 0;
      for (const [name, one] of steps.entries()) {
        if (one === 'add') {
          const { id } = slots.add((given) => ({ id: given, name }));
          expect(model.has(id)).toBe(false);
          model.set(id, name);
          most = Math.max(most, model.size);
          expect(id).toBeGreaterThan(0);
          expect(id).toBeLessThanOrEqual(most);
        } else {
          expect(slots.take(one)?.name).toBe(model.get(one));
          model.delete(one);
        }
        expect(slots.size).toBe(model.size);
      }
      for (const [id, name] of model) expect(slots.get(id)?.name).toBe(name);
      expect(new Map(slots.all().map(({ id, name }) => [id, name]))).toEqual(model);
    }),
  );
});
