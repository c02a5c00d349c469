/** Where a finger points, a keyboard on the screen takes half of it. Asked anew each time: a mouse may have been plugged in. */
export const isTouch = () => matchMedia('(pointer: coarse)').matches
