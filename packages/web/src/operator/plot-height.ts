/** In CSS pixels; kept free while the code that draws is loaded. */
export const PLOT_HEIGHT = 180;
